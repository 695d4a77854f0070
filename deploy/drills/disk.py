"""Disk so small that it can be filled: a tmpfs of some megabytes, which takes root to mount."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["fill", "free", "small_disk"]

_MEGABYTES = 64
_FILLER = "filler"


@contextmanager
def small_disk(directory: Path) -> Iterator[Path | None]:
    """Mounts the disk at `directory`, gone when the block ends; None where that is not allowed."""
    directory.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "tmpfs", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield directory
    finally:
        # Lazily: a part that was slow to end may still hold a file of it.
        subprocess.run(["umount", "--lazy", str(directory)], capture_output=True, check=True)


def fill(directory: Path) -> None:
    """Writes until nothing more fits."""
    chunk = bytes(4096)
    try:
        with (directory / _FILLER).open("wb", buffering=0) as filler:
            while filler.write(chunk) == len(chunk):
                pass
    except OSError:
        return  # full, as it is meant to be


def free(directory: Path) -> None:
    """Takes away what `fill` wrote."""
    (directory / _FILLER).unlink(missing_ok=True)
