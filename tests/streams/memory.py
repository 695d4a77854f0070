"""Online store in memory, for tests of what is around it: rows go through the real codec, so nothing is shared."""

from collections.abc import Mapping, Sequence
from typing import Any

from feature_repo.codec import decode_item, decode_user, encode_item, encode_user
from feature_repo.rows import ItemRow, UserRow
from feature_repo.store import StoreUnavailable
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import ItemContent

__all__ = ["MemoryRows"]


class MemoryRows:
    """Rows by id; fails as often as `failures` says."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.users: dict[str, Any] = {}
        self.items: dict[str, Any] = {}
        self.contents: dict[str, ItemContent] = {}
        self.states: dict[int, bytes] = {}
        self.failures = 0
        self._vocabulary = vocabulary

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserRow]:
        self._fail()
        return {one: decode_user(one, self.users[one], self._vocabulary) for one in user_ids if one in self.users}

    def state(self, partition: int) -> bytes:
        return self.states.get(partition, b"")

    def write_users(self, rows: Sequence[UserRow], states: Mapping[int, bytes]) -> None:
        self._fail()
        self.states |= states
        self.users |= {row.user_id: encode_user(row, self._vocabulary) for row in rows}

    def read_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]:
        self._fail()
        return {one: decode_item(one, self.items[one], self._vocabulary) for one in item_ids if one in self.items}

    def write_items(self, rows: Sequence[ItemRow]) -> None:
        self._fail()
        self.items |= {row.item_id: encode_item(row, self._vocabulary) for row in rows}

    def write_contents(self, contents: Sequence[ItemContent]) -> None:
        self._fail()
        self.contents |= {content.item.item_id: content for content in contents}

    def delete_items(self, item_ids: Sequence[str]) -> None:
        self._fail()
        for one in item_ids:
            self.contents.pop(one, None)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the store of this test is down")
