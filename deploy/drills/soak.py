"""Soak: hours of the same load, in which nothing may grow: memory, file handles, threads, lag, latency."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.drills.load import Load, LoadConfig
from deploy.drills.system import DrillError, System, eventually

__all__ = ["LIMITS", "Limit", "Sample", "Trend", "soak", "trends"]

_LINGER_SECONDS = 1.0  # the embedded broker reads the more slowly, the more batches its log holds
_USERS = 200
_READY_SECONDS = 300.0
_WARM = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How much a quantity may grow over the watched time and still count as flat: the larger of the two."""

    share: float
    """Of its mean."""
    least: float
    """In its own unit: below it growth is noise."""
    unit: str


LIMITS = {
    "memory": Limit(share=0.05, least=16e6, unit="bytes"),
    "files": Limit(share=0.05, least=4, unit="handles"),
    "threads": Limit(share=0.05, least=2, unit="threads"),
    "lag": Limit(share=0.5, least=200, unit="records"),
    "latency": Limit(share=0.5, least=0.02, unit="seconds"),
}
"""By quantity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The system at one moment, by process where that matters."""

    at_s: float
    """Since the load began."""
    memory: Mapping[str, float]
    """Resident bytes."""
    files: Mapping[str, float]
    threads: Mapping[str, float]
    lag: Mapping[str, float]
    """Records that wait, by worker."""
    latency: Mapping[str, float]
    """Seconds of the answers since the sample before, by quantile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """The straight line through one quantity of one process, the first quarter of the time left out."""

    mean: float
    growth: float
    """What the line rises by over the watched time."""
    allowed: float
    flat: bool
    """Whether it rises by no more than is allowed. Falling is no fault."""


def soak(system: System, *, seconds: float, every: float, say: Callable[[str], None]) -> tuple[list[Sample], Load, int]:
    """Samples of `seconds` under load, taken `every` so many; the load as it ended; and how many events are not counted then.

    Raises:
        DrillError: the system does not become whole, a part ends, or an event is counted twice.
    """
    users = [f"soak-{number}" for number in range(_USERS)]
    samples: list[Sample] = []
    config = LoadConfig(users=users, items=system.items, linger_seconds=_LINGER_SECONDS)
    with Load(config, server=system.state.server, kafka=system.kafka) as load:
        if not eventually(lambda: load.whole_since is not None and system.healthy(), _READY_SECONDS):
            raise DrillError(f"the system is not whole after {_READY_SECONDS:.0f} s; logs are in {system.directory}")
        load.take_seconds()
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            time.sleep(every)
            system.stack.check()
            sample = _sample(system, load, at + every, every)
            if min(sample.memory.values()) == 0.0:
                say(f"{at / 60:.1f} minutes: left out, for a process was too busy to tell of itself")
                continue
            samples.append(sample)
            if len(samples) % 10 == 0:
                say(f"{at / 60:.1f} of {seconds / 60:.0f} minutes")
        load.settle()
        eventually(lambda: system.counted(users) == load.sent, _READY_SECONDS)
        counted = system.counted(users)
        if twice := (counted - load.sent).total():
            raise DrillError(f"{twice} events are counted more than once")
    return samples, load, (load.sent - counted).total()


def trends(samples: Sequence[Sample]) -> dict[str, dict[str, Trend]]:
    """By quantity, then by process or quantile."""
    watched = samples[int(len(samples) * _WARM) :]
    found: dict[str, dict[str, Trend]] = {}
    for quantity, limit in LIMITS.items():
        names = getattr(watched[0], quantity)
        found[quantity] = {name: _trend([(one.at_s, getattr(one, quantity)[name]) for one in watched], limit) for name in names}
    return found


def _trend(points: Sequence[tuple[float, float]], limit: Limit) -> Trend:
    at, values = np.array(points).T
    slope = float(np.polyfit(at, values, 1)[0]) if len(points) > 1 else 0.0
    growth, mean = slope * float(at[-1] - at[0]), float(values.mean())
    allowed = max(limit.share * mean, limit.least)
    return Trend(mean=mean, growth=growth, allowed=allowed, flat=growth <= allowed)


def _sample(system: System, load: Load, at: float, every: float) -> Sample:
    readings = {name: system.reading(name) for name in system.state.metrics_ports}
    seconds = load.take_seconds() or [every]  # who waits has waited at least so long
    return Sample(
        at_s=at,
        memory={name: reading.total("process_resident_memory_bytes") for name, reading in readings.items()},
        files={name: reading.total("process_open_fds") for name, reading in readings.items()},
        threads={name: _threads(system.state.pids[name]) for name in readings},
        lag={name: reading.total("headwater_consumer_lag_records") for name, reading in readings.items() if name != "server"},
        latency={f"p{percent}": float(np.percentile(seconds, percent)) for percent in (50, 99)},
    )


def _threads(pid: int) -> float:
    """Threads of a process; Linux tells."""
    return float(len(list(Path(f"/proc/{pid}/task").iterdir())))
