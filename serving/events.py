"""Events that the server writes to Kafka: those that applications record, and an impression for each recommended item.

Writing impressions never delays a response: recommendations wait in a bounded queue, and those that do not fit are counted.
`Score` writes none: the server does not know what an application shows of it, so the application sends those itself.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from google.protobuf.timestamp_pb2 import Timestamp

from feature_repo.decode import MAX_EVENT_BYTES, Rejection, check_event
from headwater.v1 import events_pb2 as pb
from headwater.v1.events_pb2 import Event, Impression, ServedFeatures
from headwater.v1.topics import EVENTS
from runtime.backoff import pauses
from runtime.broker.producer import may_pass, start_producer, stop_producer
from runtime.settings import KafkaSettings
from runtime.supervisor import StartTask, start_task
from serving.api.errors import LogUnavailable
from serving.api.responses import Considered, Recommendation
from serving.api.tokens import GRANTED, Scope

__all__ = ["EventLog", "EventRecorder", "ImpressionWriter", "Recorded", "Refused", "impressions_of"]

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 1.0
_SCOPE_OF: dict[str, Scope] = {"impression": "impressions", "forget": "erase"}
"""By body of an event; any other needs ingest. Impressions say what the model learns from, and an erasure can't be undone."""
_LINGER_MS = 2


class EventLog:
    """The events topic, for appending; connects in the background, since a server without Kafka still answers.

    A retry may write an event twice; its event_id makes that count once. aiokafka keeps the order within a partition by
    itself, and its idempotent mode is refused by the embedded broker.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None
        self._connected = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None

    def start(self, task: StartTask = start_task) -> None:
        self._connecting = task("event-log-connect", self._connect, once=True)

    async def append(self, events: Sequence[Event], seconds: float) -> list[str | None]:
        """Writes events keyed by user; for each, None once acknowledged, else why it was not within `seconds`.

        An event that was not acknowledged may still have been written: send it again with the same event_id.

        Raises:
            LogUnavailable: no broker has been reached so far, or none of the events was acknowledged.
        """
        if self._producer is None:
            raise LogUnavailable(
                f"no broker at {self._kafka.bootstrap_servers} has been reached yet (HEADWATER_KAFKA_BOOTSTRAP_SERVERS)"
            )
        writes = [asyncio.ensure_future(self._write(self._producer, event)) for event in events]
        await asyncio.wait(writes, timeout=seconds)
        outcomes = [_outcome(write, seconds) for write in writes]
        if all(outcomes):
            raise LogUnavailable(f"none of {len(events)} events was acknowledged: {outcomes[0]}; send them again, ids unchanged")
        return outcomes

    async def deliver(self, event: Event) -> None:
        """Returns once the event is acknowledged, however long no broker takes it.

        Raises:
            KafkaError: the broker refuses it for good.
        """
        waits = pauses(random.Random())
        await self._connected.wait()
        while True:
            try:
                await self._write(self._producer, event)
            except KafkaError as error:
                if not may_pass(error):
                    raise
                await asyncio.sleep(next(waits))
            else:
                return

    async def stop(self) -> None:
        """Ends at once: what is not acknowledged by then is not sent any more."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._producer is not None:
            await stop_producer(self._producer, 0.0)

    async def _connect(self) -> None:
        while True:
            try:
                self._producer = await start_producer(self._kafka, acks="all", linger_ms=_LINGER_MS)
            except KafkaError as error:
                _log.warning("event_log_not_reached", servers=self._kafka.bootstrap_servers, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._connected.set()
                return

    @staticmethod
    async def _write(producer: AIOKafkaProducer, event: Event) -> None:
        acknowledged = await producer.send(EVENTS.name, key=event.user_id.encode(), value=event.SerializeToString())
        await acknowledged


def _outcome(write: "asyncio.Future[None]", seconds: float) -> str | None:
    if not write.done():
        write.cancel()
        return f"not acknowledged within {seconds:.1f} s"
    error = write.exception()
    return None if error is None else f"{type(error).__name__}: {error}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """An event that the log has not acknowledged: its position in the request, and what to do."""

    index: int
    event_id: str
    invalid: bool
    """It breaks a constraint; else the log did not acknowledge it in time, and the same event may be sent again."""
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """How many events the log has acknowledged, and which it has not, by place."""

    accepted: int
    refused: tuple[Refused, ...]


class EventRecorder:
    """Writes what is sound and says of the rest what is wrong: one bad event does not hold up its neighbours."""

    def __init__(self, log: EventLog, *, clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._clock = clock

    async def record(self, events: Sequence[Event], seconds: float) -> Recorded:
        """Returns when all sound events are acknowledged, or after `seconds`.

        Raises:
            LogUnavailable: there were sound events and none was acknowledged.
        """
        now = self._clock()
        granted = GRANTED.get()
        problems = {at: problem for at, event in enumerate(events) if (problem := _problem(event, now, granted)) is not None}
        refused = [
            Refused(index=at, event_id=events[at].event_id, invalid=True, detail=problem) for at, problem in problems.items()
        ]
        sound = [at for at in range(len(events)) if at not in problems]
        if sound:
            outcomes = await self._log.append([events[at] for at in sound], seconds)
            refused += [
                Refused(index=at, event_id=events[at].event_id, invalid=False, detail=outcome)
                for at, outcome in zip(sound, outcomes, strict=True)
                if outcome is not None
            ]
        return Recorded(accepted=len(events) - len(refused), refused=tuple(sorted(refused, key=lambda one: one.index)))


def _problem(event: Event, now: float, granted: frozenset[Scope] | None) -> str | None:
    needed = _SCOPE_OF.get(event.WhichOneof("body") or "", "ingest")
    if granted is not None and needed not in granted:
        return f"it needs the scope {needed}; this token has: {', '.join(sorted(granted))}"
    if (size := event.ByteSize()) > MAX_EVENT_BYTES:
        return f"{size} bytes, {MAX_EVENT_BYTES} are allowed"
    checked = check_event(event, now)
    return checked.detail if isinstance(checked, Rejection) else None


_log = structlog.get_logger(__name__)
_TELL_SECONDS = 10.0
_LISTS_AT_ONCE = 100


class ImpressionWriter:
    """Writes impressions behind the answers; `dropped(n)` is told how many are not on the log, nor will be.

    While no broker takes them they wait, at most `capacity` lists and one hundred that are being written.
    """

    def __init__(self, log: EventLog, fingerprint: int, *, capacity: int, dropped: Callable[[int], None]) -> None:
        self._log = log
        self._fingerprint = fingerprint
        self._dropped = dropped
        self._waiting: asyncio.Queue[Recommendation] = asyncio.Queue(capacity)
        self._writing: asyncio.Task[None] | None = None

    def start(self, task: StartTask = start_task) -> None:
        self._writing = task("impressions", self._run)

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
            try:
                events = [event for shown in lists for event in impressions_of(shown, self._fingerprint)]
                if events:
                    await self._write(events)
            finally:
                for _ in lists:
                    self._waiting.task_done()

    async def _write(self, events: list[Event]) -> None:
        deliveries = {asyncio.ensure_future(self._log.deliver(event)) for event in events}
        left = deliveries
        try:
            while left := (await asyncio.wait(left, timeout=_TELL_SECONDS))[1]:
                _log.warning("impressions_wait", count=len(left), hint="no broker has acknowledged them so far")
        finally:
            for one in left:
                one.cancel()
            errors = [one for one in await asyncio.gather(*deliveries, return_exceptions=True) if one is not None]
            if errors:
                _log.warning("impressions_dropped", count=len(errors), error=repr(errors[0]))
                self._dropped(len(errors))


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
