"""Pushing events through a running stack and watching them arrive: paced, shown live, accounted for to the last one."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.observe.progress import ProgressLine
from deploy.observe.scrape import Reading, quantile, scrape
from headwater.v1.events_pb2 import Event
from runtime.errors import UserError
from runtime.metrics import FRESHNESS_METRIC

__all__ = ["Account", "Flow", "FlowError"]


_MAX_LAG = 4_000
_LOOK_EVERY = 500
_PAUSE_SECONDS = 0.1
_STALLED_SECONDS = 60.0
_DYING_SECONDS = 2.0


class FlowError(UserError):
    """Events that are not accounted for, or a stack in which nothing moves; the message gives the counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What became of the events that were published; balanced when each is one of the other three."""

    published: int
    folded: int
    dead_lettered: int
    duplicates: int

    @property
    def outstanding(self) -> int:
        """Events whose fate is not known yet; below 0 if more came out than went in."""
        return self.published - self.folded - self.dead_lettered - self.duplicates


@dataclass(kw_only=True, slots=True)
class Flow:
    """A stream into the stack whose /metrics are at `metrics_ports`.

    Publishing stays at most 4,000 events ahead of the features worker: what is measured is the system, and not the length of a
    queue before it. `check` raises when a part of the stack has died.
    """

    console: Console
    send: Callable[[Event], object]
    check: Callable[[], None]
    metrics_ports: dict[str, int]
    expected: int
    published: int = 0
    features: Reading = field(default_factory=Reading)
    learner: Reading = field(default_factory=Reading)
    _line: ProgressLine | None = None
    _began: float = field(default_factory=time.perf_counter)

    def publish(self, events: Iterable[Event]) -> None:
        """Sends the events in order, paced by the features worker, under a live table."""
        with self._live() as live:
            for event in events:
                self.send(event)
                self.published += 1
                if self.published % _LOOK_EVERY == 0:
                    self._wait(live, lambda: self.account().outstanding <= _MAX_LAG)

    def send_one(self, event: Event) -> None:
        """Sends an event outside the paced stream; it is accounted for like the others."""
        self.send(event)
        self.published += 1

    def settle(self, batch: int) -> None:
        """Returns when every event published so far is accounted for, and all examples but an unfilled batch are learned.

        Raises:
            FlowError: the counts do not balance, or nothing moves for a minute.
        """
        with self._live() as live:
            self._wait(live, lambda: self.account().outstanding <= 0)
            if self.account().outstanding < 0:
                raise FlowError(f"more events came out than went in: {self.account()}; the counters of a worker are wrong")
            self._wait(live, lambda: self.learned_all(batch))

    def learned_all(self, batch: int) -> bool:
        """Whether, as of the last look, every event is folded and all examples but an unfilled batch are learned."""
        return self.account().outstanding <= 0 and self._unlearned() < batch

    def account(self) -> Account:
        """The counts as of the last look."""
        return Account(
            published=self.published,
            folded=int(self.features.total("headwater_events_folded_total")),
            dead_lettered=int(self.features.total("headwater_events_dead_lettered_total")),
            duplicates=int(self.features.total("headwater_events_duplicate_total")),
        )

    @property
    def learned(self) -> int:
        """Examples learned from."""
        return int(self.learner.total("headwater_examples_learned_total"))

    @property
    def snapshots(self) -> int:
        """Snapshots published."""
        return int(self.learner.total("headwater_snapshots_published_total"))

    def look(self) -> None:
        """Reads the workers' current metrics; raises FlowError, or as `check` does, where one does not answer."""
        self.check()
        try:
            self.features = scrape(self.metrics_ports["features"])
            self.learner = scrape(self.metrics_ports["learner"])
        except OSError as error:
            time.sleep(_DYING_SECONDS)
            self.check()  # what does not answer may just have died, which says more
            raise FlowError(f"a worker's /metrics does not answer ({error}); look at the logs of features and learner") from error

    def _unlearned(self) -> float:
        return self.features.total("headwater_examples_published_total") - self.learned

    def _wait(self, live: Live, done: Callable[[], bool]) -> None:
        seen, since = (-1, -1), time.monotonic()
        while True:
            self.look()
            self._show(live)
            if done():
                return
            state = (self.account().outstanding, self.learned)
            if state != seen:
                seen, since = state, time.monotonic()
            elif time.monotonic() - since > _STALLED_SECONDS:
                raise FlowError(
                    f"nothing has moved for {_STALLED_SECONDS:.0f} s: {self.account()}, {self.learned:,} examples learned, "
                    f"{self._unlearned():,.0f} not; look at the logs of features and learner"
                )
            time.sleep(_PAUSE_SECONDS)

    def _show(self, live: Live) -> None:
        """Where it is: the table on a terminal, else a line every few seconds."""
        if self.console.is_terminal:
            live.update(self._table(), refresh=True)
        elif self._line is not None:
            self._line.tell(f"{self.published:,} of {self.expected:,} published, {self.learned:,} examples learned")

    @contextmanager
    def _live(self) -> Iterator[Live]:
        self._line = ProgressLine("events", self.console)
        with Live(self._table(), console=self.console, auto_refresh=False) as live:
            yield live
            live.update(self._table())
        if not self.console.is_terminal:
            self.console.print()  # rich leaves the last line open where it cannot move the cursor

    def _table(self) -> Table:
        account, seconds = self.account(), time.perf_counter() - self._began
        accounted = account.published - account.outstanding
        table = Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(no_wrap=True)
        table.add_row("published", f"{self.published:,} of {self.expected:,}", "lag", f"{account.outstanding:,} events")
        table.add_row("folded", f"{account.folded:,}", "rate", f"{accounted / seconds:,.0f} events/s")
        table.add_row("dead-lettered", f"{account.dead_lettered:,}", "duplicates", f"{account.duplicates:,}")
        table.add_row("examples learned", f"{self.learned:,}", "behind", f"{self._unlearned():,.0f} examples")
        freshness = quantile(0.5, FRESHNESS_METRIC, Reading(), self.features)
        table.add_row("snapshots", f"{self.snapshots:,}", "event to feature", f"{freshness:.3f} s (median)")
        return table
