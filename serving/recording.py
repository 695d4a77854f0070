"""Owns taking events from applications that cannot reach Kafka: checked as the workers check them, then written."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from feature_repo.decode import MAX_EVENT_BYTES, Rejection, check_event
from headwater.v1.events_pb2 import Event
from serving.api.validation import Limits
from serving.event_log import EventLog

__all__ = ["EventRecorder", "Recorded", "Refused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """An event that was not written: its place in the request, and what to do."""

    index: int
    event_id: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """How many events the log has acknowledged, and which it has not, by place."""

    accepted: int
    refused: tuple[Refused, ...]


class EventRecorder:
    """Writes what is sound and says of the rest what is wrong: one bad event does not hold up its neighbours."""

    def __init__(self, log: EventLog, limits: Limits, *, clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._limits = limits
        self._clock = clock

    async def record(self, events: Sequence[Event], seconds: float) -> Recorded:
        """Returns when all sound events are acknowledged, or after `seconds`.

        Raises:
            InvalidRequest: no events, or too many.
            LogUnavailable: there were sound events and none was acknowledged.
        """
        self._limits.check_events(len(events))
        now = self._clock()
        problems = [_problem(event, now) for event in events]
        sound = [at for at, problem in enumerate(problems) if problem is None]
        if sound:
            outcomes = await self._log.append([events[at] for at in sound], seconds)
            for at, outcome in zip(sound, outcomes, strict=True):
                problems[at] = outcome
        refused = tuple(
            Refused(index=at, event_id=events[at].event_id, detail=problem) for at, problem in enumerate(problems) if problem
        )
        return Recorded(accepted=len(events) - len(refused), refused=refused)


def _problem(event: Event, now: float) -> str | None:
    if (size := event.ByteSize()) > MAX_EVENT_BYTES:
        return f"{size} bytes, {MAX_EVENT_BYTES} are allowed"
    checked = check_event(event, now)
    return checked.detail if isinstance(checked, Rejection) else None
