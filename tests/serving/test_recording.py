"""Recorded events: what was wrong with each that the log has not acknowledged."""

from collections.abc import Sequence

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from runtime.settings import KafkaSettings
from serving.api.conversion import record_response
from serving.events import EventLog, EventRecorder
from tests.serving.worlds import NOW


class HalfLog(EventLog):
    """A log that acknowledges only the events of ann, as if bob's partition had no leader."""

    async def append(self, events: Sequence[Event], seconds: float) -> list[str | None]:
        return [None if event.user_id == "ann" else f"not acknowledged within {seconds:.1f} s" for event in events]


def click(event_id: str, user_id: str) -> Event:
    event = Event(event_id=event_id, user_id=user_id, item_id="i1")
    event.occurred_at.FromSeconds(int(NOW))
    event.click.SetInParent()
    return event


async def test_the_code_tells_what_to_change_from_what_to_send_again() -> None:
    """By position: an invalid event, and a valid one that the log did not acknowledge in time."""
    recorder = EventRecorder(HalfLog(KafkaSettings()), clock=lambda: NOW)
    events = [click("e0", "bob"), click("e1", "ann"), Event(event_id="e2"), click("e3", "ann")]
    response = record_response(await recorder.record(events, 1.0))
    assert response.accepted == 2
    assert [(one.index, one.event_id, one.code, one.detail) for one in response.rejected] == [
        (0, "e0", pb.RejectedEvent.CODE_TRY_AGAIN, "not acknowledged within 1.0 s"),
        (2, "e2", pb.RejectedEvent.CODE_INVALID, "user_id is missing"),
    ]
