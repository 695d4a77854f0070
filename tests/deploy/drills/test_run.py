"""A drill, run for real: a part is killed under load, comes back, and no event is lost."""

import shutil
from pathlib import Path

import pytest

from deploy.drills.drill import DRILLS
from deploy.drills.run import run
from deploy.drills.system import running_system

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (shutil.which("prometheus") and shutil.which("redis-server")),
        reason="needs Prometheus and Redis: apt-get install --no-install-recommends prometheus redis-server",
    ),
]


def test_a_killed_worker_costs_no_event_and_is_told(tmp_path: Path) -> None:
    """Killed and started again, the features worker counts each event once, the system comes back, and the alert fires."""
    [drill] = [drill for drill in DRILLS if drill.name == "features_killed"]
    with running_system(tmp_path / "system", snapshot_dir=None) as system:
        outcome = run(drill, system, lambda line: None)
    assert outcome.requests > 0
    assert outcome.events > 0
    assert outcome.events_lost == 0
    assert outcome.events_counted_twice == 0
    assert outcome.recovery_s is not None
    assert "ProcessDown" in outcome.alerts


def test_drills_have_names_of_their_own() -> None:
    """Results are kept by name."""
    names = [drill.name for drill in DRILLS]
    assert len(set(names)) == len(names)
