"""The small disk can be filled and freed."""

from pathlib import Path

import pytest

from deploy.drills.disk import fill, free, small_disk


def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    """After `fill` a write fails, after `free` it succeeds, and the mount goes with the block."""
    with small_disk(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("only root may mount a tmpfs")
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            (disk / "more").write_bytes(bytes(8192))
        free(disk)
        (disk / "more").write_bytes(bytes(8192))
    assert not (tmp_path / "disk").is_mount()
