"""A drill on a cluster, run for real: a node is killed under load, and every event counts once."""

import shutil
from pathlib import Path

import pytest

from deploy.drills.cluster import CLUSTER_DRILLS, drilled_cluster
from deploy.drills.drill import DRILLS
from deploy.drills.run import run
from deploy.drills.system import running_system

pytestmark = pytest.mark.timeout(900)


@pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("redis-server")),
    reason="needs Prometheus and Redis: apt-get install --no-install-recommends prometheus redis-server",
)
def test_a_killed_leader_costs_no_event(kafka_is_here: None, tmp_path: Path) -> None:
    """Another node takes over, the killed one comes back, and no event is lost or counted twice."""
    [drill] = [drill for drill in CLUSTER_DRILLS if drill.name == "leader_killed"]
    with (
        drilled_cluster(tmp_path / "kafka") as cluster,
        running_system(tmp_path / "system", snapshot_dir=None, cluster=cluster) as system,
    ):
        outcome = run(drill, system, lambda line: None)
        assert cluster.whole()
    assert outcome.events > 0
    assert outcome.events_lost == 0
    assert outcome.events_counted_twice == 0
    assert outcome.recovery_s is not None


def test_drills_have_names_of_their_own() -> None:
    """Results are kept by name, those of one broker and of a cluster in one file."""
    names = [drill.name for drill in (*DRILLS, *CLUSTER_DRILLS)]
    assert len(set(names)) == len(names)
