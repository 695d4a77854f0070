"""ProgressLine of what takes longer than two seconds: a live line on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console

from deploy.cli.connection import console

__all__ = ["ProgressLine", "progress"]

_QUIET_SECONDS = 2.0
_EVERY_SECONDS = 5.0
_LOOK_EVERY = 500

_T = TypeVar("_T")


class ProgressLine:
    """Tells how far a piece of work is."""

    def __init__(self, what: str, *, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
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

    def over(self, things: Iterable[_T], total: int) -> Iterator[_T]:
        """The things, with a word on how many of them are done."""
        for done, thing in enumerate(things):
            if done % _LOOK_EVERY == 0 and done:
                self.tell(f"{done:,} of {total:,}")
            yield thing


@contextmanager
def progress(what: str) -> Iterator[ProgressLine]:
    """Tells of a piece of work on the console while it lasts."""
    told = ProgressLine(what, console=console)
    told.start()
    try:
        yield told
    finally:
        told.stop()
