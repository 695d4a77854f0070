"""Following one event through the system: onto the log, into the user's features, into the scores, timed at each."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from deploy.console.queries import Queries
from deploy.console.rows import Rows
from headwater.client import by_task
from headwater.v1.events_pb2 import Event

__all__ = ["UserAction", "follow"]

_POLL_SECONDS = 0.004
_LONGEST_SECONDS = 30.0
_ROUNDING_SECONDS = 1e-5  # rows keep times as 64-bit floats


@dataclass(frozen=True, kw_only=True, slots=True)
class UserAction:
    """What the person before the page did with an item: a body of protos/headwater/v1/events.proto, or the name of an action."""

    user_id: str
    item_id: str
    kind: str
    value: float | None = None
    recommendation_id: str = ""

    def event(self, at_ns: int) -> Event:
        """The event that says so, at `at_ns` (Unix nanoseconds).

        >>> UserAction(user_id="u", item_id="i", kind="read", value=2.5).event(0).read.seconds
        2.5
        """
        event = Event(event_id=f"console-{uuid.uuid4().hex}", user_id=self.user_id, item_id=self.item_id)
        event.recommendation_id = self.recommendation_id
        event.occurred_at.FromNanoseconds(at_ns)
        if self.kind == "click":
            event.click.SetInParent()
        elif self.kind == "read":
            event.read.seconds = self.value or 0.0
        elif self.kind == "purchase":
            event.purchase.amount = self.value or 0.0
        else:
            event.action.name = self.kind
            if self.value is not None:
                event.action.value = self.value
        return event


async def follow(
    action: UserAction, queries: Queries, rows: Rows, *, clock_ns: Callable[[], int] = time.time_ns
) -> AsyncIterator[dict[str, Any]]:
    """Sends the action's event and reports each stage that it reaches, with milliseconds since it was sent.

    Stations: `log` (acknowledged), `feature` (counted in the stored row), `served` (counted in an answer; with the scores of the
    item before and after). `failed` says why it goes no further.
    """
    before = await queries.score(action.user_id, [action.item_id])
    event = action.event(clock_ns())
    due = event.occurred_at.ToNanoseconds() / 1e9 - _ROUNDING_SECONDS
    began = time.perf_counter()

    def station(name: str, **more: Any) -> dict[str, Any]:
        return {"station": name, "ms": round((time.perf_counter() - began) * 1e3, 1), **more}

    async def newest(read: Callable[[], Awaitable[float]]) -> None:
        while await read() < due:  # noqa: ASYNC110  # other processes bring it there: there is no event to wait for
            await asyncio.sleep(_POLL_SECONDS)

    try:
        # Each wait has a limit of its own: one around all of them would lie around the yields, and cancel whoever listens.
        await asyncio.wait_for(queries.record(event), _LONGEST_SECONDS)
        yield station("log")
        await asyncio.wait_for(newest(lambda: rows.newest_event(action.user_id)), _LONGEST_SECONDS)
        yield station("feature")
        await asyncio.wait_for(newest(lambda: queries.features_as_of(action.user_id, action.item_id)), _LONGEST_SECONDS)
        after = await queries.score(action.user_id, [action.item_id])
        scores = [by_task(response.tasks, response.items[0].values) for response in (before, after)]
        yield station("served", before=scores[0], after=scores[1])
    except ValueError as error:
        yield station("failed", detail=str(error))
    except TimeoutError:
        detail = f"not there after {_LONGEST_SECONDS:.0f} s: look at the features worker, at /metrics for its lag"
        yield station("failed", detail=detail)
