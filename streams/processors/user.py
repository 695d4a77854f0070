"""User processor: events in; user rows, item actions, labelled examples and dead letters out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from feature_repo.assembly.assemble import assemble_served
from feature_repo.decode import Rejection, decode_event
from feature_repo.decoded_event import DecodedEvent
from feature_repo.fold import UserFold
from feature_repo.items.table import ItemTable
from feature_repo.ranges import ValueRanges, refusal
from feature_repo.rows import UserRow
from headwater.internal.v1.streams_pb2 import SourcePosition
from headwater.v1.topics import ERASURES, EXAMPLES, ITEM_ACTIONS
from runtime.record import Publication, Record
from streams.dead_letters import dead_letter
from streams.processors.row_cache import CacheUse, RowCache

__all__ = ["UserProcessor", "UserRows", "UserWork"]


class UserRows(Protocol):
    """Where users' rows live, and with them the states of their partitions; `feature_repo.owned_rows.OwnedRows` is one."""

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserRow]: ...

    def write_users(self, rows: Sequence[UserRow], states: Mapping[int, bytes]) -> None: ...

    def state(self, partition: int) -> bytes: ...


@dataclass(kw_only=True, slots=True)
class UserWork:
    """What one batch led to: first publish, then write the rows, then confirm, then acknowledge."""

    publications: list[Publication] = field(default_factory=list)
    confirmations: list[Publication] = field(default_factory=list)
    """Receipts of users' erasure requests: they hold once the rows are written."""
    rows: dict[str, UserRow] = field(default_factory=dict)
    folded_appended_at: list[float] = field(default_factory=list)
    """When each folded event was appended to the log, Unix seconds."""
    folded_from: list[SourcePosition] = field(default_factory=list)
    """Where in the log each of them stands."""
    append_delays: list[float] = field(default_factory=list)
    """For each of them, seconds from when it happened on its producer's clock; below 0 where that clock runs ahead."""
    duplicates: int = 0
    late: int = 0
    wrong_partition: int = 0
    """Events in another partition than the event before of their user: producers do not agree on a partitioner."""
    erased_before: int = 0
    """Events that occurred before their user asked to be forgotten."""
    forgotten: int = 0
    """Users whose rows were erased."""
    examples: int = 0
    clipped: Counter[str] = field(default_factory=Counter)
    """Values outside their task's range, by task."""
    states: dict[int, bytes] = field(default_factory=dict)
    """By partition, the ranges of values after the batch."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    cache: CacheUse | None = None


class UserProcessor:
    """Folds batches of events; holds rows between batches, so only one may work on a partition at a time."""

    def __init__(
        self, *, table: ItemTable, store: UserRows, log: Callable[[], int], clock: Callable[[], float], cached_rows: int
    ) -> None:
        """Args: `table` is kept current by someone else; `log` tells the id of the events topic, `clock` Unix seconds."""
        self._vocabulary = table.vocabulary
        self._store, self._log, self._clock = store, log, clock
        self._fold = UserFold(table.vocabulary, lambda row, item_id, at: assemble_served(row, table, item_id, at))
        self._rows = RowCache(
            read=store.read_users,
            empty=lambda user_id: UserRow.empty(user_id, table.vocabulary),
            capacity=cached_rows,
        )
        self._ranges: dict[int, ValueRanges] = {}
        self._widths = len(self._vocabulary.features), 1 + len(self._vocabulary.tasks)

    def process(self, records: Sequence[Record]) -> UserWork:
        """Folds the records in order; raises what the store raises, and then nothing has changed."""
        work, now, log = UserWork(), self._clock(), self._log()
        decoded = [self._decode(record, now) for record in records]
        rows = self._rows.take(event.user_id for event in decoded if isinstance(event, DecodedEvent))
        for partition in {record.partition for record in records} - self._ranges.keys():
            self._ranges[partition] = ValueRanges(self._vocabulary.tasks, self._store.state(partition))
        work.cache = self._rows.use
        for record, event in zip(records, decoded, strict=True):
            if isinstance(event, Rejection):
                work.publications.append(dead_letter(record, event, now))
                work.rejected[event.reason] += 1
                continue
            row = rows[event.user_id]
            late = event.at < row.updated_at
            work.wrong_partition += row.log == log and row.partition != record.partition
            source = SourcePosition(log=log, partition=record.partition, offset=record.offset)
            outside = self._ranges[record.partition].observe(event, log=log, offset=record.offset)
            folded = self._fold.fold(row, event, source, outside)
            work.rows[row.user_id] = row
            if folded.erasure is not None:
                receipt = folded.erasure.SerializeToString()
                work.confirmations.append(Publication(ERASURES.name, row.user_id.encode(), receipt))
            if folded.action is None:
                work.duplicates += folded.duplicate
                work.erased_before += folded.erased_before
                work.forgotten += not (folded.duplicate or folded.erased_before)
                continue
            work.late += late
            work.examples += folded.labelled
            work.clipped.update(folded.clipped)
            work.folded_appended_at.append(record.appended_at)
            work.folded_from.append(source)
            work.append_delays.append(record.appended_at - event.at)
            action = Publication(ITEM_ACTIONS.name, event.item_id.encode(), folded.action.SerializeToString())
            work.publications.append(action)
            key = row.user_id.encode()
            for example in folded.examples:
                work.publications.append(Publication(EXAMPLES.name, key, example))
        work.states = {partition: self._ranges[partition].to_bytes() for partition in {one.partition for one in records}}
        return work

    def write(self, work: UserWork) -> Sequence[Publication]:
        """Writes the rows that changed; raises what the store raises, and may then be called again."""
        self._store.write_users(list(work.rows.values()), work.states)
        return work.confirmations

    def forget(self) -> None:
        """Drops the rows in memory, and the ranges: another worker may own them now."""
        self._rows.clear()
        self._ranges.clear()

    def _decode(self, record: Record, now: float) -> DecodedEvent | Rejection:
        event = decode_event(record.value, key=record.key, now=now)
        if isinstance(event, DecodedEvent) and (detail := refusal(self._vocabulary.tasks, event)) is not None:
            return Rejection(reason="constraint", detail=detail)
        if isinstance(event, DecodedEvent) and event.served is not None:
            served = event.served
            features, width = self._widths
            fits = len(served.features) == features and len(served.history_values) == len(served.history_item_ids) * width
            if served.fingerprint == self._vocabulary.fingerprint and not fits:
                detail = (
                    f"impression.served has {len(served.features)} values and {len(served.history_values)} history values for "
                    f"{len(served.history_item_ids)} items, not {features} and {width} an item: send them as the server does"
                )
                return Rejection(reason="constraint", detail=detail)
        return event
