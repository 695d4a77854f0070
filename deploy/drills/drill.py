"""Failure drills: what each breaks, how it is repaired, and what must have happened before the system counts as recovered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kafka.errors import KafkaError

from deploy.drills.clock import clock_environment, faketime_library, set_clock
from deploy.drills.disk import fill, free
from deploy.drills.system import DrillError, System, eventually
from headwater.producer import DeliveryError
from streams.dead_letters import read_letters, redrive

__all__ = ["DRILLS", "Drill"]

_HOUR = 3600
_CLOCKED = ("features", "learner", "server")
_CLIENTS = ("features", "catalogue", "learner", "server")


@dataclass(frozen=True, kw_only=True, slots=True)
class Drill:
    """One way to break the system, under load."""

    name: str
    what: str
    """The sentence for the report."""
    break_it: Callable[[System], None]
    mend: Callable[[System], None]
    hold_seconds: float = 8.0
    """How long it stays broken."""
    prepare: Callable[[System], None] = lambda system: None
    """What must be done beforehand; the system is waited for afterwards."""
    put_back: Callable[[System], None] = lambda system: None
    """Undoes `prepare` once all is counted."""
    sends_again: bool = False
    """Whether producers send once more what they sent since it broke: the log has lost what it had acknowledged."""
    wants_model: bool = False
    """Whether only a snapshot that was published after the repair shows that the system has recovered."""
    impossible: Callable[[System], str] = lambda system: ""
    """Why it cannot be done here; empty where it can."""


def _killed(name: str, what: str, *, wants_model: bool = False) -> Drill:
    return Drill(
        name=f"{name}_killed",
        what=what,
        break_it=lambda system: system.kill(name),
        mend=lambda system: system.revive(name),
        wants_model=wants_model,
    )


def _snapshots(system: System) -> Path:
    return Path(system.state.snapshot_dir)


def _slow_down(system: System) -> None:
    system.proxy.delay_seconds = 0.2


def _speed_up(system: System) -> None:
    system.proxy.delay_seconds = 0.0


def _clock_file(system: System) -> Path:
    return system.directory / "clock"


def _give_clocks(system: System) -> None:
    library = faketime_library()
    assert library is not None  # asked before
    environment = clock_environment(library, _clock_file(system))
    for name in _CLOCKED:
        system.revive(name, environment)


def _take_clocks(system: System) -> None:
    for name in _CLOCKED:
        system.revive(name)


def _mend_clock_and_redrive(system: System) -> None:
    set_clock(_clock_file(system), 0)
    time.sleep(2.0)  # until the processes have seen it
    redrive(system.kafka, read_letters(system.kafka), clock=time.time)


def _no_clock(system: System) -> str:
    return "" if faketime_library() else "libfaketime is not installed; on Debian: apt-get install libfaketime"


def _new_log(system: System) -> None:
    # Some brokers, the embedded one too, make a topic that a client asks for, with partitions of their own choice: nobody may
    # ask before ours stand.
    for name in _CLIENTS:
        system.stack.pause(name, paused=True)
    system.revive("broker")
    if not eventually(lambda: _topics_stand(system), 60.0, every=0.5):
        raise DrillError("the broker did not take the topics within 60 s of its start")
    for name in _CLIENTS:
        system.stack.pause(name, paused=False)


def _topics_stand(system: System) -> bool:
    try:
        system.create_topics()
    except (KafkaError, DeliveryError):
        return False
    return True


DRILLS = (
    Drill(
        name="broker_paused",
        what="The broker is frozen: connections stay open and nothing is answered, as when its disk or its node hangs.",
        break_it=lambda system: system.stack.pause("broker", paused=True),
        mend=lambda system: system.stack.pause("broker", paused=False),
    ),
    _killed("redis", "Redis is killed; it answers for a write once that is on disk (appendfsync always)."),
    _killed("features", "The worker that folds events into features is killed."),
    _killed("learner", "The learner is killed.", wants_model=True),
    _killed("server", "The only server is killed."),
    Drill(
        name="disk_full",
        what="The disk of the snapshots and the checkpoint is full.",
        break_it=lambda system: fill(_snapshots(system)),
        mend=lambda system: free(_snapshots(system)),
        hold_seconds=25.0,  # longer than a snapshot and a checkpoint take to come due
        wants_model=True,
        impossible=lambda system: "" if _snapshots(system).is_mount() else "a small disk can be mounted by root alone",
    ),
    Drill(name="redis_slow", what="Each request to Redis takes 200 ms more.", break_it=_slow_down, mend=_speed_up),
    Drill(
        name="clock_ahead",
        what="The clocks of features worker, learner and server jump an hour ahead, and back.",
        break_it=lambda system: set_clock(_clock_file(system), _HOUR),
        mend=lambda system: set_clock(_clock_file(system), 0),
        prepare=_give_clocks,
        put_back=_take_clocks,
        impossible=_no_clock,
    ),
    Drill(
        name="clock_behind",
        what="The same clocks jump an hour back: events seem to come from the future, are kept as dead letters, and sent back.",
        break_it=lambda system: set_clock(_clock_file(system), -_HOUR),
        mend=_mend_clock_and_redrive,
        prepare=_give_clocks,
        put_back=_take_clocks,
        impossible=_no_clock,
    ),
    Drill(
        name="broker_killed",
        what=(
            "The only broker is killed, and with it the log, which the embedded broker keeps in memory (Kafka on three brokers "
            "does not lose it so). Topics and catalogue are created again; producers send all again, ids unchanged."
        ),
        break_it=lambda system: system.kill("broker"),
        mend=_new_log,
        sends_again=True,
    ),
)
"""In the order in which they are run."""
