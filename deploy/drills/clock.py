"""Clock that jumps: libfaketime shifts what processes read as the time of day, as a step by NTP or a hand does."""

import os
from pathlib import Path

__all__ = ["clock_environment", "faketime_library", "set_clock"]

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/*MT.so.1")


def faketime_library() -> Path | None:
    """Where libfaketime lies; None where it is not installed."""
    found = (path for place in _PLACES for path in Path("/").glob(place.lstrip("/")))
    return next(found, None)


def clock_environment(library: Path, file: Path) -> dict[str, str]:
    """For a process whose clock is to follow `file`. Monotonic clocks stay true, as they do when the time of day is stepped."""
    set_clock(file, 0)
    paths = [str(Path(__file__).parent / "steady_sleep"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",  # seconds until a change of the file is seen
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


def set_clock(file: Path, seconds: int) -> None:
    """Lets the clocks that follow `file` run so far ahead, or behind where negative."""
    partial = file.with_suffix(".partial")
    partial.write_text(f"{seconds:+d}\n")
    partial.replace(file)
