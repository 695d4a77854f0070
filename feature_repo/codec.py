"""Encoding of rows as Feast values; rows of another vocabulary are refused."""

import numpy as np
import prometheus_client  # noqa: F401  before feast, which turns its metrics into multiprocess files if it comes first
from feast.protos.feast.types.Value_pb2 import Value
from numpy.typing import NDArray

from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.pending_impressions import PendingImpression
from feature_repo.rows import ItemRow, UserRow
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.packed_pb2 import PackedAwaiting, PackedItemActivity, PackedNumbers
from headwater.internal.v1.streams_pb2 import ItemContent
from runtime.errors import UserError

__all__ = ["RowSchemaError", "decode_item", "decode_user", "encode_activity", "encode_content", "encode_item", "encode_user"]


_DELETED = -1  # stands in for a partition among an item's positions, beside the time of deletion in place of an offset


class RowSchemaError(UserError):
    """A stored row that was written with other tasks or another version's features."""


def encode_user(row: UserRow, vocabulary: Vocabulary) -> dict[str, Value]:
    """The values of the view `user_activity`."""
    value = _head([vocabulary.fingerprint, row.log, row.partition, row.offset], row.first_at, row.updated_at, row.counters_CH)
    value["recent_items"] = Value()
    value["recent_items"].string_list_val.val.extend(row.recent_ids)
    value["recent_values"] = _doubles(row.recent_R)
    value["older_items"] = Value(bytes_val=row.older_N.astype("<u8").tobytes())
    awaiting = PackedAwaiting(
        impressions=[pending.to_bytes() for pending in row.pending],
        seen_events=row.seen,
        erasure=row.erasure,
        unmatched=row.unmatched,
        label_times=row.label_times_RT.astype("<f8").tobytes(),
        alias=row.alias,
    )
    value["awaiting"] = Value(bytes_val=awaiting.SerializeToString())
    return value


def decode_user(user_id: str, values: dict[str, Value], vocabulary: Vocabulary, *, whole: bool = True) -> UserRow:
    """The row that `encode_user` wrote; unless `whole`, without what only the user agent reads.

    Raises:
        RowSchemaError: another vocabulary wrote it.
    """
    position, first_at, updated_at, counters_CH = _decode_head(f"user {user_id}", values, vocabulary)
    _, log, partition, offset = position
    recent_R = _from_doubles(values["recent_values"]).reshape(-1, 1 + len(vocabulary.tasks))
    row = UserRow(
        user_id=user_id,
        counters_CH=counters_CH,
        first_at=first_at,
        updated_at=updated_at,
        log=log,
        partition=partition,
        offset=offset,
        recent_ids=list(values["recent_items"].string_list_val.val),
        recent_R=recent_R,
        label_times_RT=np.repeat(recent_R[:, :1], len(vocabulary.tasks), axis=1),
        # Rows that an earlier release wrote have none.
        older_N=np.frombuffer(values["older_items"].bytes_val if "older_items" in values else b"", dtype="<u8"),
    )
    if whole:
        awaiting = PackedAwaiting.FromString(values["awaiting"].bytes_val)
        row.pending.extend(map(PendingImpression.from_bytes, awaiting.impressions))
        row.unmatched.extend(awaiting.unmatched)
        row.seen.update(dict.fromkeys(awaiting.seen_events))
        if awaiting.label_times:
            row.label_times_RT = np.frombuffer(awaiting.label_times, dtype="<f8").reshape(row.label_times_RT.shape)
        row.alias = awaiting.alias
        row.erasure = awaiting.erasure if awaiting.HasField("erasure") else None
    return row


def encode_item(row: ItemRow, vocabulary: Vocabulary) -> dict[str, Value]:
    """The values of the view `item_activity`."""
    pairs = sorted(row.offsets.items()) + ([(_DELETED, row.deleted_micros)] if row.deleted_micros else [])
    position = [vocabulary.fingerprint, row.log, *(number for pair in pairs for number in pair)]
    values = _head(position, row.first_at, row.updated_at, row.counters_CH)
    values["audience"] = Value(bytes_val=row.audience_AC.astype("<f8").tobytes())
    return values


def decode_item(item_id: str, values: dict[str, Value], vocabulary: Vocabulary) -> ItemRow:
    """The row that `encode_item` wrote; raises RowSchemaError if another vocabulary wrote it."""
    position, first_at, updated_at, counters_CH = _decode_head(f"item {item_id}", values, vocabulary)
    offsets = dict(zip(position[2::2], position[3::2], strict=True))
    deleted_micros = offsets.pop(_DELETED, 0)
    return ItemRow(
        item_id=item_id,
        counters_CH=counters_CH,
        audience_AC=np.frombuffer(values["audience"].bytes_val, dtype="<f8").reshape(-1, 2 + len(vocabulary.tasks)),
        first_at=first_at,
        updated_at=updated_at,
        log=position[1],
        offsets=offsets,
        deleted_micros=deleted_micros,
    )


def encode_activity(row: ItemRow, vocabulary: Vocabulary) -> PackedItemActivity:
    """An item's row as everyone's item table takes it; on the wire an ItemActivity."""
    values = _packed(row.first_at, row.updated_at, row.counters_CH).astype("<f8", copy=False).tobytes()
    activity = PackedItemActivity(item_id=row.item_id, fingerprint=vocabulary.fingerprint, values=values)
    audience = row.audience()
    activity.audience_places = audience.places_A.astype("<u2").tobytes()
    activity.audience_opinions = audience.opinions_TA.astype("<f4").tobytes()
    return activity


def encode_content(content: ItemContent) -> dict[str, Value]:
    """The values of the view `item_content`."""
    categories, vector = Value(), Value()
    categories.string_list_val.val.extend(content.item.categories)
    vector.float_list_val.ParseFromString(PackedNumbers(val=content.vector).SerializeToString())
    return {
        "type": Value(string_val=content.item.type),
        "title": Value(string_val=content.item.title),
        "categories": categories,
        "vector": vector,
        "encoder_version": Value(string_val=content.encoder_version),
        "content_hash": Value(string_val=content.content_hash),
    }


def _head(position: list[int], first_at: float, updated_at: float, counters_CH: NDArray[np.float64]) -> dict[str, Value]:
    where, activity = Value(), Value()
    where.int64_list_val.val.extend(position)
    if updated_at:  # an erased row keeps its position alone
        activity = _doubles(_packed(first_at, updated_at, counters_CH))
    return {"position": where, "activity": activity}


def _decode_head(
    what: str, values: dict[str, Value], vocabulary: Vocabulary
) -> tuple[list[int], float, float, NDArray[np.float64]]:
    position = list(values["position"].int64_list_val.val)
    if position[0] != vocabulary.fingerprint:
        raise RowSchemaError(
            f"the stored row of {what} was written for other tasks, or by a release with other features (fingerprint "
            f"{position[0]:08x}, this process has {vocabulary.fingerprint:08x}): give the new ones a store directory of their "
            "own and replay the events into it (docs/upgrades.md)"
        )
    activity = _from_doubles(values["activity"])
    if not activity.size:
        activity = np.zeros(len(vocabulary.activity))
    return position, activity[0], activity[1], activity[2:].reshape(-1, len(HALF_LIFE_NAMES))


def _packed(first_at: float, updated_at: float, counters_CH: NDArray[np.float64]) -> NDArray[np.float64]:
    """The packed row, in the order of `feature_repo.vocabulary.Vocabulary.activity`."""
    packed = np.empty(2 + counters_CH.size)
    packed[0], packed[1], packed[2:] = first_at, updated_at, counters_CH.ravel()
    return packed


def _doubles(numbers: NDArray[np.float64]) -> Value:
    value = Value()
    value.double_list_val.ParseFromString(PackedNumbers(val=numbers.astype("<f8", copy=False).tobytes()).SerializeToString())
    return value


def _from_doubles(value: Value) -> NDArray[np.float64]:
    """A writable array: rows are changed in place."""
    return np.frombuffer(bytearray(PackedNumbers.FromString(value.double_list_val.SerializeToString()).val), dtype="<f8")
