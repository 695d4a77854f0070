"""Health of a process: heartbeats of its parts, the pulse of its event loop, and a watchdog that ends a stuck process."""

import asyncio
import faulthandler
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from runtime.supervisor import StartThread, start_thread

__all__ = ["Health", "Heartbeat", "Problem", "Pulse", "Watchdog"]

_WATCHDOG_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What blocks a part, as text, and for how long it has been stalled."""

    text: str
    seconds: float
    curable: bool
    """Whether a restart may help; it does not where another system is waited for."""


class Heartbeat:
    """How one consumer does; consumers can die silently, so standing still counts as ill."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waiting = 0.0
        """Records in the log that are not finished; NaN while no broker tells."""
        self._clock = clock
        self._started = self._assigned = False
        self._moved_at = clock()
        self._awaited: str | None = None

    @property
    def assigned(self) -> bool:
        """Whether it has a share of the partitions, if only an empty one."""
        return self._assigned

    def assign(self) -> None:
        """Partitions were dealt."""
        self._started = self._assigned = True
        self.progress()

    def revoke(self) -> None:
        """A rebalance is in progress."""
        self._assigned = False
        self.progress()

    def progress(self) -> None:
        """A batch is finished, or none waits."""
        self._moved_at, self._awaited = self._clock(), None

    def idle(self) -> None:
        """No record waits, which is neither progress nor a standstill."""
        self._moved_at = self._clock()

    def wait_for(self, what: str) -> None:
        """Nothing can be finished before another system answers."""
        self._awaited = what

    def problem(self, stall_seconds: float) -> Problem | None:
        """What is wrong; None while all is well."""
        still = self._clock() - self._moved_at
        if self._awaited is not None and (still > stall_seconds or not self._assigned):
            return Problem(text=f"waiting for {still:.0f} s: {self._awaited}", seconds=still, curable=False)
        if not self._started:
            text = "starting: no partitions are assigned or the items are not read yet"
            return Problem(text=text, seconds=still, curable=True)
        if still <= stall_seconds:
            return None
        if not self._assigned:
            return Problem(text=f"without partitions: a rebalance has not ended for {still:.0f} s", seconds=still, curable=True)
        if math.isnan(self.waiting):
            text = f"reading nothing: how many records wait has not been known for {still:.0f} s, since no broker tells"
            return Problem(text=text, seconds=still, curable=False)
        if self.waiting > 0:
            text = f"stalled: {self.waiting:.0f} records wait and none was finished for {still:.0f} s"
            return Problem(text=text, seconds=still, curable=True)
        return None


class Health:
    """Whether all parts of a process are ready and make progress, and its event loop runs."""

    def __init__(
        self,
        *,
        stall_seconds: float,
        away: Callable[[], Problem | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: `away` tells what all parts wait for, such as an unreachable broker; while they wait, none is stalled."""
        self._stall_seconds, self._away, self._clock = stall_seconds, away, clock
        self._parts: dict[str, Heartbeat] = {}
        self._turned_at: float | None = None

    def part(self, name: str) -> Heartbeat:
        """The heartbeat of a part, which counts from the first time it is asked for."""
        return self._parts.setdefault(name, Heartbeat(self._clock))

    def turn(self) -> None:
        """The event loop got round to saying so; expected every second or so from the first time on."""
        self._turned_at = self._clock()

    def problem(self) -> Problem | None:
        """The worst problem, with the name of its part; None while all is well."""
        problems = []
        if self._turned_at is not None and (still := self._clock() - self._turned_at) > self._stall_seconds:
            problems.append(Problem(text=f"the event loop is blocked for {still:.0f} s", seconds=still, curable=True))
        if (away := self._away()) is not None:
            problems.append(away)
        for name, part in self._parts.items():
            if away is not None:
                part.idle()
            elif (one := part.problem(self._stall_seconds)) is not None:
                problems.append(Problem(text=f"{name} is {one.text}", seconds=one.seconds, curable=one.curable))
        return max(problems, key=lambda one: (one.curable, one.seconds), default=None)


class Watchdog:
    """A thread that ends the process when it has stood still for too long: a stuck thread or loop cannot end it in order.

    Nothing is lost by it: rows carry their positions, and what was read is read again.
    """

    def __init__(self, health: Health, *, exit_seconds: float, end: Callable[[Problem], None]) -> None:
        """Args: `end(problem)` ends the process; it is called once, in the watchdog's thread."""
        self._health, self._exit_seconds, self._end = health, exit_seconds, end
        self._stop = threading.Event()
        self._started = False

    def start(self, thread: StartThread = start_thread) -> None:
        self._started = True
        thread("watchdog", self._run)

    def stop(self) -> None:
        self._stop.set()

    def stuck(self) -> Problem | None:
        """A standstill for too long that a restart may end; None before `start`, for what starts has limits of its own."""
        problem = self._health.problem() if self._started else None
        return problem if problem is not None and problem.curable and problem.seconds > self._exit_seconds else None

    def _run(self) -> None:
        while not self._stop.wait(_WATCHDOG_SECONDS):
            if (problem := self.stuck()) is not None:
                faulthandler.dump_traceback(all_threads=True)
                self._end(problem)
                return


class Pulse:
    """Beats on the event loop; any thread may ask whether it does."""

    def __init__(
        self, *, every_seconds: float = 1.0, dead_after_seconds: float = 10.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._every, self._dead_after, self._monotonic = every_seconds, dead_after_seconds, monotonic
        self._beat_at = monotonic()

    async def beat(self) -> None:
        """Beats until cancelled."""
        while True:
            self._beat_at = self._monotonic()
            await asyncio.sleep(self._every)

    def alive(self) -> bool:
        """False once the loop has been held up for longer than any request may."""
        return self._monotonic() - self._beat_at < self._dead_after
