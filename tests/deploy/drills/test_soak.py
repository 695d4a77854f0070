"""A soak tells a line that rises from one that is flat, and a short one under load comes through whole."""

import os
import shutil
from pathlib import Path

import pytest

from deploy.drills.soak import Sample, soak, trends
from deploy.drills.system import running_system

SECONDS = float(os.environ.get("HEADWATER_SOAK_SECONDS", "6"))  # `make chaos` soaks for minutes
_WARM_SECONDS = 60.0  # a shorter one is all warming up


def samples(memory: list[float]) -> list[Sample]:
    """One sample a minute, in which all but the server's memory is constant."""
    return [
        Sample(
            at_s=60.0 * minute,
            memory={"server": value},
            files={"server": 50.0},
            threads={"server": 12.0},
            lag={"features": 3.0 + minute % 2},
            latency={"p50": 0.004, "p99": 0.010 + 0.001 * (minute % 3)},
        )
        for minute, value in enumerate(memory)
    ]


def test_what_fills_up_at_first_is_flat() -> None:
    """Growth in the first quarter alone is warming up, and noise is no growth."""
    found = trends(samples([2e8, 3e8, 4e8] + [5e8, 5.01e8] * 8))
    assert all(trend.flat for by_name in found.values() for trend in by_name.values())


def test_a_leak_is_found() -> None:
    """Memory that rises by a megabyte a minute for an hour is no longer flat; the rest is."""
    found = trends(samples([5e8 + 1e6 * minute for minute in range(60)]))
    assert not found["memory"]["server"].flat
    assert found["memory"]["server"].growth == pytest.approx(44e6, rel=0.01)
    assert found["files"]["server"].flat
    assert found["latency"]["p99"].flat


@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server: apt-get install redis-server")
def test_a_short_soak_counts_every_event(tmp_path: Path) -> None:
    """Load gives samples of every process, each event that was sent is counted, and no process collects files or threads."""
    with running_system(tmp_path / "system", snapshot_dir=None) as system:
        taken, load, uncounted = soak(system, seconds=SECONDS, every=1.0, say=lambda line: None)
    assert len(taken) >= 5
    for sample in taken:
        assert set(sample.memory) == {"features", "catalogue", "learner", "server"}
        assert min(*sample.memory.values(), *sample.files.values(), *sample.threads.values()) > 0
    assert load.sent.total() > 0
    assert uncounted == 0
    if SECONDS > _WARM_SECONDS:
        found = trends(taken)
        assert all(trend.flat for what in ("files", "threads") for trend in found[what].values()), found
