"""Whoever waits for longer than two seconds is told how far it is, on a terminal or not."""

import io

from rich.console import Console

from deploy.observe.progress import ProgressLine, progress, tracked


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_elsewhere_than_on_a_terminal_a_line_comes_every_few_seconds() -> None:
    """None within the first two, and not one for each step."""
    out, clock = io.StringIO(), Clock()
    line = ProgressLine("reading", Console(file=out), clock=clock)
    for second in range(13):
        clock.now = float(second)
        line.rows("a.csv", 1000 * second)
    assert out.getvalue().splitlines() == [
        "reading: a.csv: 2,000 rows",
        "reading: a.csv: 7,000 rows",
        "reading: a.csv: 12,000 rows",
    ]


def test_what_is_quick_says_nothing() -> None:
    """And the things come through as they are."""
    out = io.StringIO()
    with progress("reading", Console(file=out)) as line:
        line.tell("half")
    assert list(tracked(range(1200), total=1200, what="events", console=Console(file=out))) == list(range(1200))
    assert out.getvalue() == ""


def test_a_terminal_has_a_live_line() -> None:
    """Which changes in place."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60)
    with progress("reading", console) as line:
        line.rows("a.csv", 5)
        console.print(line._status.renderable if line._status else "")
    assert list(tracked([1, 2], total=2, what="events", console=console)) == [1, 2]
    assert "a.csv: 5 rows" in out.getvalue()
    assert "events" in out.getvalue()
