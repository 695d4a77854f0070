"""Failure drills of a cluster of three nodes of Apache Kafka."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.drills.disk import fill, free, small_disk
from deploy.drills.drill import Drill
from deploy.drills.kafka import ApacheKafka
from deploy.drills.system import System
from headwater.v1.topics import EVENTS

__all__ = ["CLUSTER_DRILLS", "drilled_cluster"]

_NODES = 3
_ON_SMALL_DISK = 1
_WHOLE_SECONDS = 180.0
_QUOTAS = {"producer_byte_rate": 4_096, "consumer_byte_rate": 4_096}
"""Bytes per second, by client and node: a fraction of what the load and the workers need."""


@contextmanager
def drilled_cluster(directory: Path) -> Iterator[ApacheKafka]:
    """A cluster, one node of which has its log on a disk that can be filled, where that may be mounted.

    Raises:
        KafkaMissingError: Kafka's jars or Java are not here.
    """
    with ExitStack() as cleanup:
        disk = cleanup.enter_context(small_disk(directory / "disk"))
        small = {} if disk is None else {_ON_SMALL_DISK: {"log.dirs": disk / "log"}}
        yield cleanup.enter_context(ApacheKafka(directory / "nodes", nodes=_NODES, node_settings=small))


def _leader(system: System) -> int:
    return system.cluster.leader(EVENTS.name)


def _start_all(system: System) -> None:
    for node in system.cluster.nodes:
        if not system.cluster.running(node):
            system.cluster.launch(node)


def _wait_until_whole(system: System) -> None:
    def whole() -> bool:
        return all(map(system.cluster.serves, system.cluster.nodes)) and system.cluster.whole()

    system.wait(whole, _WHOLE_SECONDS, "every node serves, and each copy of a partition is complete")


def _restart_each(system: System) -> None:
    for node in system.cluster.nodes:
        system.cluster.stop(node)
        system.cluster.launch(node)
        _wait_until_whole(system)


def _kill_two(system: System) -> None:
    for node in system.cluster.nodes[1:]:
        system.cluster.kill(node)


def _freeze_leader(system: System) -> None:
    system.cluster.freeze(_leader(system))


def _thaw_all(system: System) -> None:
    for node in system.cluster.nodes:
        system.cluster.thaw(node)


def _fill_disk(system: System) -> None:
    fill(_disk(system))
    # It exits once it cannot write, as Kafka does when it has lost all of its disks.
    system.wait(lambda: not system.cluster.running(_ON_SMALL_DISK), 60.0, "the node with the full disk has ended")


def _free_disk(system: System) -> None:
    free(_disk(system))
    _start_all(system)


def _disk(system: System) -> Path:
    return system.cluster.log_dir(_ON_SMALL_DISK).parent


CLUSTER_DRILLS = (
    Drill(
        name="leader_killed",
        what="The node that leads the first partition of the events is killed.",
        break_it=lambda system: system.cluster.kill(_leader(system)),
        mend=_start_all,
        hold_seconds=20.0,
        put_back=_wait_until_whole,
    ),
    Drill(
        name="rolling_restart",
        what="Each node is stopped and started again, one after the other, as for an upgrade.",
        break_it=_restart_each,
        mend=lambda system: None,
        hold_seconds=0.0,
        put_back=_wait_until_whole,
    ),
    Drill(
        name="two_nodes_down",
        what="Two of the three nodes are killed: no partition has the two copies that a write needs, and no controller leads.",
        break_it=_kill_two,
        mend=_start_all,
        hold_seconds=35.0,
        put_back=_wait_until_whole,
    ),
    Drill(
        name="node_frozen",
        what="The node that leads the first partition of the events is frozen; its connections stay open.",
        break_it=_freeze_leader,
        mend=_thaw_all,
        hold_seconds=20.0,
        put_back=_wait_until_whole,
    ),
    Drill(
        name="quota",
        what="Every client may read and write 4 KiB a second at each node; the brokers hold back their answers.",
        break_it=lambda system: system.cluster.limit_clients(_QUOTAS),
        mend=lambda system: system.cluster.limit_clients(dict.fromkeys(_QUOTAS, 0)),
        hold_seconds=30.0,
    ),
    Drill(
        name="node_disk_full",
        what="The disk of one node is full; the node ends, and is started again once there is room.",
        break_it=_fill_disk,
        mend=_free_disk,
        hold_seconds=20.0,
        put_back=_wait_until_whole,
        impossible=lambda system: "" if _disk(system).is_mount() else "a small disk can be mounted by root alone",
    ),
)
"""In the order in which they are run."""
