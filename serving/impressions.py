"""Owns publishing an impression for every item of a list that was given out, with the features that it was scored with.

Writing never delays an answer: lists wait in a bounded queue, and what does not fit is dropped and counted. `Score` publishes
none: the server does not know what an application shows of it, so the application sends those with the recommendation_id.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from headwater.v1 import events_pb2 as pb
from headwater.v1.events_pb2 import Event, Impression, ServedFeatures
from serving.api.errors import LogUnavailable
from serving.api.responses import Considered, Recommendation
from serving.event_log import EventLog

__all__ = ["ImpressionWriter", "impressions_of"]

_log = structlog.get_logger(__name__)
_WRITE_SECONDS = 10.0
_LISTS_AT_ONCE = 100


class ImpressionWriter:
    """Writes impressions behind the answers; `dropped(n)` is told how many could not be kept."""

    def __init__(self, log: EventLog, fingerprint: int, *, capacity: int, dropped: Callable[[int], None]) -> None:
        self._log = log
        self._fingerprint = fingerprint
        self._dropped = dropped
        self._waiting: asyncio.Queue[Recommendation] = asyncio.Queue(capacity)
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writing = asyncio.create_task(self._run(), name="impressions")

    def offer(self, shown: Recommendation) -> None:
        """Takes a list to be written; drops it where too many wait already."""
        try:
            self._waiting.put_nowait(shown)
        except asyncio.QueueFull:
            self._dropped(shown.size)

    async def stop(self, seconds: float) -> None:
        """Ends when all that waits is written, or after `seconds`; the rest is dropped, and counted."""
        try:
            await asyncio.wait_for(self._waiting.join(), seconds)
        except TimeoutError:
            _log.warning("impressions_left_unwritten", lists=self._waiting.qsize())
        while not self._waiting.empty():
            self._dropped(self._waiting.get_nowait().size)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def _run(self) -> None:
        while True:
            lists = [await self._waiting.get()]
            while len(lists) < _LISTS_AT_ONCE and not self._waiting.empty():
                lists.append(self._waiting.get_nowait())
            events = [event for shown in lists for event in impressions_of(shown, self._fingerprint)]
            if events:
                await self._write(events)
            for _ in lists:
                self._waiting.task_done()

    async def _write(self, events: list[Event]) -> None:
        try:
            outcomes = await self._log.append(events, _WRITE_SECONDS)
        except LogUnavailable as error:
            _log.warning("impressions_dropped", count=len(events), error=str(error))
            self._dropped(len(events))
            return
        if lost := [outcome for outcome in outcomes if outcome is not None]:
            _log.warning("impressions_dropped", count=len(lost), error=lost[0])
            self._dropped(len(lost))


def impressions_of(shown: Recommendation, fingerprint: int) -> Iterable[Event]:
    """One impression an item, in the order of the lists; its id follows from its place, so that a repeat counts once."""
    history_values = shown.history_values_NT1.ravel().tolist()
    occurred_at = Timestamp()
    occurred_at.FromNanoseconds(int(shown.at * 1e6) * 1000)
    for slate in shown.slates:
        considered = slate.considered
        for position, item in enumerate(slate.items):
            served = ServedFeatures(
                fingerprint=fingerprint,
                values=item.x_F.tolist(),
                history_item_ids=shown.history_item_ids,
                history_values=history_values,
                model_version=shown.info.model_version,
                predictions=item.values_T.tolist(),
            )
            impression = Impression(position=position, served=served, slate=slate.name)
            if item.propensity is not None:
                impression.propensity = item.propensity
                if considered is not None:
                    impression.considered.CopyFrom(_considered(considered))
                    considered = None  # once a list
            place = (shown.info.recommendation_id, slate.name, str(position))
            yield Event(
                event_id=":".join(part for part in place if part),
                user_id=shown.user_id,
                item_id=item.item_id,
                occurred_at=occurred_at,
                recommendation_id=shown.info.recommendation_id,
                impression=impression,
            )


def _considered(considered: Considered) -> pb.Considered:
    return pb.Considered(
        item_ids=considered.item_ids,
        predictions=considered.scaled_AT.ravel().tolist(),
        added=considered.added_A.tolist(),
    )
