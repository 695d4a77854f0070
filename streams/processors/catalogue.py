"""Catalogue processor: catalogue changes in; encoded entries for the store and every item table out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from feature_repo.decode import Rejection, decode_change
from headwater.internal.v1.streams_pb2 import ItemAction, ItemContent
from headwater.v1.catalogue_pb2 import CatalogueChange, Item
from headwater.v1.topics import ITEM_ACTIONS, ITEM_CONTENT
from runtime.record import Publication, Record
from streams.dead_letters import dead_letter
from training.encoding.cache import Encoder, content_hash, item_text

__all__ = ["CatalogueProcessor", "CatalogueWork", "Contents"]


class Contents(Protocol):
    """Where catalogue entries live; `feature_repo.store.RowStore` is one."""

    def write_contents(self, contents: Sequence[ItemContent]) -> None: ...

    def delete_items(self, item_ids: Sequence[str]) -> None: ...


@dataclass(kw_only=True, slots=True)
class CatalogueWork:
    """What one batch led to: first publish, then write, then acknowledge."""

    publications: list[Publication] = field(default_factory=list)
    contents: list[ItemContent] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""


class CatalogueProcessor:
    """Encodes batches of changes. The encoder is expected to remember texts, so an entry sent again costs no encoding."""

    def __init__(self, *, encoder: Encoder, store: Contents, clock: Callable[[], float]) -> None:
        self._encoder, self._store, self._clock = encoder, store, clock

    def process(self, records: Sequence[Record]) -> CatalogueWork:
        """Takes the last change of each item in the batch; raises EncoderError."""
        work, now = CatalogueWork(), self._clock()
        latest: dict[str, Item | None] = {}
        for record in records:
            change = decode_change(record.value, key=record.key, now=now)
            if isinstance(change, Rejection):
                work.publications.append(dead_letter(record, change, now))
                work.rejected[change.reason] += 1
            elif change.WhichOneof("change") == "upsert":
                latest[change.upsert.item_id] = change.upsert
            else:
                latest[change.delete.item_id] = None
                work.publications.append(_deletion(change, record))
        work.contents = self._encoded([item for item in latest.values() if item is not None])
        work.deleted = [item_id for item_id, item in latest.items() if item is None]
        for content in work.contents:
            key = content.item.item_id.encode()
            work.publications.append(Publication(ITEM_CONTENT.name, key, content.SerializeToString()))
        work.publications += [Publication(ITEM_CONTENT.name, item_id.encode(), None) for item_id in work.deleted]
        return work

    def write(self, work: CatalogueWork) -> Sequence[Publication]:
        """Writes the entries; raises what the store raises, and may then be called again."""
        self._store.write_contents(work.contents)
        if work.deleted:
            self._store.delete_items(work.deleted)
        return ()

    def forget(self) -> None:
        """Nothing is kept between batches."""

    def _encoded(self, items: Sequence[Item]) -> list[ItemContent]:
        texts = [item_text(item.title, item.text) for item in items]
        vectors_BD = self._encoder.encode(texts) if items else ()
        return [
            ItemContent(
                item=item,
                vector=vector_D.astype("<f4").tobytes() if text else b"",
                encoder_version=self._encoder.version,
                content_hash=content_hash(text),
            )
            for item, text, vector_D in zip(items, texts, vectors_BD, strict=True)
        ]


def _deletion(change: CatalogueChange, record: Record) -> Publication:
    """The word to the item agent that the item's activity is to be erased; every deletion of a batch counts, in order."""
    at = change.occurred_at.ToNanoseconds() / 1e9 if change.HasField("occurred_at") else record.appended_at
    action = ItemAction(item_id=change.delete.item_id, occurred_at=at, deleted=True)
    return Publication(ITEM_ACTIONS.name, action.item_id.encode(), action.SerializeToString())
