"""Progress of what takes longer than two seconds: live on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import track

__all__ = ["ProgressLine", "progress", "tracked"]

_QUIET_SECONDS = 2.0
_EVERY_SECONDS = 5.0
_LOOK_EVERY = 500

_T = TypeVar("_T")


class ProgressLine:
    """How far a piece of work is, for people who wait for it."""

    def __init__(self, what: str, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._console, self._clock = what, console, clock
        self._due = clock() + _QUIET_SECONDS
        self._status = console.status(what) if console.is_terminal else None

    def start(self) -> None:
        """Shows the work on a terminal."""
        if self._status is not None:
            self._status.start()

    def stop(self) -> None:
        """Takes it off again."""
        if self._status is not None:
            self._status.stop()

    def tell(self, done: str) -> None:
        """Says how far it is; elsewhere than on a terminal only every few seconds."""
        if self._status is not None:
            self._status.update(f"{self._what}: {done}")
        elif self._clock() >= self._due:
            self._due = self._clock() + _EVERY_SECONDS
            self._console.print(f"{self._what}: {done}", style="dim", soft_wrap=True, markup=False)

    def rows(self, location: str, rows: int) -> None:
        """Says how many rows of a file were read."""
        self.tell(f"{location}: {rows:,} rows")


@contextmanager
def progress(what: str, console: Console) -> Iterator[ProgressLine]:
    """Tells of a piece of work while it lasts."""
    line = ProgressLine(what, console)
    line.start()
    try:
        yield line
    finally:
        line.stop()


def tracked(things: Iterable[_T], *, total: int, what: str, console: Console) -> Iterator[_T]:
    """The things, with a bar on a terminal, and elsewhere with a line now and then on how many of them are done."""
    if console.is_terminal:
        yield from track(things, total=total, description=what, console=console)
        return
    line = ProgressLine(what, console)
    for done, thing in enumerate(things):
        if done % _LOOK_EVERY == 0 and done:
            line.tell(f"{done:,} of {total:,}")
        yield thing
