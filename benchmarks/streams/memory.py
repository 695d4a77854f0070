"""Memory of the features worker over a million events."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from benchmarks.streams.plant import Plant, vocabulary
from benchmarks.streams.workload import events
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.record import Publication

__all__ = ["measure"]

_EVENTS, _PORTION, _CACHED_ROWS = 1_000_000, 20_000, 2_000
_PORTION_SECONDS = 300.0


def measure(say: Callable[[str], None], *, count: int = _EVENTS) -> dict[str, Any]:
    """Resident memory of one worker after each portion of events; its caches hold fewer rows than there are users."""
    stream = events(vocabulary(), start=time.time() - 86_400.0, per_second=count / 86_400.0, served=True)
    curve: list[tuple[int, float]] = []
    with Plant() as plant:
        (worker,) = plant.start_workers(cached_rows=_CACHED_ROWS)
        portion = _encoded(stream)
        for done in range(_PORTION, count + 1, _PORTION):
            plant.publish(portion)
            portion = _encoded(stream)  # the next one, while the worker works
            deadline = time.monotonic() + _PORTION_SECONDS
            while (reading := worker.read()).total("headwater_item_actions_folded_total") < done:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{done} events were not folded {_PORTION_SECONDS:.0f} s after they were published")
                time.sleep(0.2)
            curve.append((done, reading.total("process_resident_memory_bytes") / 1e6))
        hits, misses = (reading.total(f"headwater_row_cache_{what}_total") for what in ("hits", "misses"))
    # The first tenth fills caches and pools; what matters is whether it goes on from there.
    settled = curve[len(curve) // 10 :]
    growth = settled[-1][1] - settled[0][1]
    say(f"{settled[0][1]:,.0f} MB after {settled[0][0]:,} events, {settled[-1][1]:,.0f} MB after {settled[-1][0]:,}")
    return {
        "events": count,
        "cached_rows": _CACHED_ROWS,
        "cache_hit_rate": hits / (hits + misses),
        "megabytes": {"after_a_tenth": settled[0][1], "at_the_end": settled[-1][1], "growth": growth},
        "curve": [[done, megabytes] for done, megabytes in curve],
    }


def _encoded(stream: Iterator[Event]) -> list[Publication]:
    return [Publication(EVENTS.name, one.user_id.encode(), one.SerializeToString()) for one in islice(stream, _PORTION)]
