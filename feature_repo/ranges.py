"""Ranges of values: what a task's values are bounded to before they enter a counter or a label.

A task declares its range (`min`, `max`), or a running one is kept for each partition of the event log.
"""

import math
import struct
import zlib
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable

import msgspec

from feature_repo.decoded_event import DecodedEvent
from feature_repo.tasks import Task

__all__ = ["RunningRange", "ValueRanges", "refusal"]

_AT_LEAST = 20
"""Values before which no range can be told."""
_KEPT = 512
_ONE_IN = 8
"""Once so many values are kept, one in eight of the next takes the place of the oldest: they then speak of the last 4,096."""
_TRIMMED = 20, 100
"""Of the values kept, the 1/20 at either end that says nothing of where the middle ends; 1/100 where all within are equal."""
_SPANS = 3.0
"""Spans of the middle by which a value may lie beyond it."""


class RunningRange:
    """Where a stream's values usually lie, from a sample of the last few thousand; what lies far outside is clipped.

    Usual is what lies within three spans of the middle nine tenths (a fence in the manner of Tukey, Exploratory Data Analysis,
    1977, ch. 2, from percentiles that hold for skewed values too). A value beyond counts as the most extreme usual one, and moves
    the range no further than to its fence (winsorised), so outliers do not make room for themselves.

    >>> stars = RunningRange()
    >>> for place in range(100):
    ...     stars.observe(1.0 + place % 5, place)
    >>> stars.clip(4.0), stars.clip(50_000.0)
    (4.0, 5.0)
    """

    __slots__ = ("_kept", "_sorted")

    def __init__(self, kept: Iterable[float] = ()) -> None:
        self._kept = deque(kept)
        self._sorted = sorted(self._kept)

    def observe(self, value: float, place: int) -> None:
        """Takes a value in; `place` is its offset in the log, by which it is drawn."""
        full = len(self._kept) == _KEPT
        if full and zlib.crc32(struct.pack("<q", place)) % _ONE_IN:
            return
        if (fences := self._fences()) is not None:
            value = min(max(value, fences[0]), fences[1])
        if full:
            del self._sorted[bisect_left(self._sorted, self._kept.popleft())]
        self._kept.append(value)
        insort(self._sorted, value)

    def clip(self, value: float) -> float:
        """The value, or the most extreme usual one where it lies outside the range."""
        if (fences := self._fences()) is None or fences[0] < value < fences[1]:
            return value
        # Strictly within: an outlier before this one may lie on the fence.
        if value >= fences[1]:
            return self._sorted[bisect_left(self._sorted, fences[1]) - 1]
        return self._sorted[bisect_right(self._sorted, fences[0])]

    def kept(self) -> list[float]:
        """The sample, the oldest first; the range is a function of it."""
        return list(self._kept)

    def _fences(self) -> tuple[float, float] | None:
        values = self._sorted
        if len(values) < _AT_LEAST:
            return None
        low = high = values[0]
        for part in _TRIMMED:
            trimmed = len(values) // part
            low, high = values[trimmed], values[-1 - trimmed]
            if low < high:
                break
        # Where all are alike nothing says how far others lie: so far as they lie from 0.
        margin = _SPANS * ((high - low) or max(abs(low), 1.0))
        return low - margin, high + margin


class _State(msgspec.Struct, array_like=True):
    """What is stored of one partition's ranges."""

    log: int
    end: int
    kept: dict[str, list[float]]


class ValueRanges:
    """Running ranges of one partition of the event log, for every task with values that declares none on its own.

    A function of the partition's events in their order, and stored with the rows that they led to: so a row is the same after
    kills, restarts and repeated reads.
    """

    def __init__(self, tasks: tuple[Task, ...], stored: bytes = b"") -> None:
        """Args: `stored` is what `to_bytes` gave; empty to begin."""
        state = msgspec.msgpack.decode(stored, type=_State) if stored else _State(0, 0, {})
        self._log, self._end = state.log, state.end
        self._stored = stored
        self._followed = {
            at: (task, RunningRange(state.kept.get(task.name, ())))
            for at, task in enumerate(tasks)
            if task.kind != "binary" and not task.ranged
        }

    def observe(self, event: DecodedEvent, *, log: int, offset: int) -> dict[int, float]:
        """Takes an event in; by task, the label in training space of each value that lies outside the range so far.

        Events that were taken in before, as a state that was stored says, change nothing.
        """
        outside: dict[int, float] = {}
        for at, (task, running) in self._followed.items():
            if task.event != event.kind or event.value is None:
                continue
            value = task.in_training_space(event.value)
            clipped = running.clip(value)
            if clipped != value:
                outside[at] = clipped
            if not event.censored and (log != self._log or offset >= self._end):
                running.observe(value, offset)
                self._log, self._end, self._stored = log, offset + 1, b""
        return outside

    def to_bytes(self) -> bytes:
        """The state; empty where no event had a value."""
        if not self._stored and self._end:
            kept = {task.name: running.kept() for task, running in self._followed.values()}
            self._stored = msgspec.msgpack.encode(_State(self._log, self._end, kept))
        return self._stored


def refusal(tasks: tuple[Task, ...], event: DecodedEvent) -> str | None:
    """Why an event's value is refused by a task that declares a range and to refuse what lies outside; None if none does."""
    for task in tasks:
        if task.refuses(event.kind, event.value):
            low, high = (-math.inf if task.min is None else task.min), (math.inf if task.max is None else task.max)
            return (
                f"the value of {event.kind} is {event.value:g}, task {task.name} takes {low:g} to {high:g}: correct the producer"
            )
    return None
