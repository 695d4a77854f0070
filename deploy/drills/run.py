"""Course of one drill: load, break, hold, repair, wait until all is healthy, count what was lost."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.drills.drill import Drill
from deploy.drills.load import Load, LoadConfig
from deploy.drills.prometheus import Prometheus, PrometheusError, running_prometheus
from deploy.drills.system import DrillError, System

__all__ = ["Outcome", "run"]

_USERS = 20
_READY_SECONDS = 300.0
_WARM_SECONDS = 5.0
_RECOVER_SECONDS = 300.0
_STEADY_SECONDS = 1.0
_TICK_SECONDS = 0.25
_HURRY = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a drill cost."""

    requests: int
    failed: int
    degraded: int
    events: int
    """Sent by the load."""
    events_lost: int
    """Sent, acknowledged by the broker, and in no user's row in the end."""
    events_counted_twice: int
    impressions_dropped: int
    """Written by the server behind its answers, which does not wait for them: each is counted, and an alert watches the count."""
    broken_s: float
    """How long it stayed broken."""
    recovery_s: float | None
    """From the repair until every part is healthy, no answer is degraded for a second, and each event sent before the
    repair is counted; None if that did not happen."""
    alerts: list[str]
    """That fired, and had not before."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Failed by status and degraded by reason."""


def run(drill: Drill, system: System, say: Callable[[str], None]) -> Outcome:
    """Runs one drill; the system is whole before and, if all is well, after.

    Raises:
        DrillError: the system is not whole at the start.
        PrometheusError: there is no `prometheus`.
    """
    drill.prepare(system)
    users = [f"{drill.name}-{time.time_ns() % 10**9}-{number}" for number in range(_USERS)]
    directory = system.directory / "prometheus" / drill.name
    with (
        Load(LoadConfig(users=users, items=system.items), server=system.state.server, kafka=system.kafka) as load,
        running_prometheus(directory, system.state.metrics_ports, hurry=_HURRY) as prometheus,
    ):
        watch = _Watch(system, load, prometheus, users)
        system.tick = watch.tick
        if not watch.until(lambda: watch.whole() and _has_model(system), _READY_SECONDS):
            raise DrillError(f"{drill.name}: the system is not whole before it is broken; logs are in {system.directory}")
        watch.for_seconds(_WARM_SECONDS)
        before, quiet_before = load.answers(), set(watch.fired)
        dropped = system.reading("server").total("headwater_impressions_dropped_total")

        say("breaks")
        drill.break_it(system)
        broken_at = time.monotonic()
        watch.for_seconds(drill.hold_seconds)
        dropped_then = system.reading("server").total("headwater_impressions_dropped_total")
        drill.mend(system)
        if drill.sends_again:
            load.send_again()
        mended_at = time.monotonic()
        say("is repaired")
        sent, version = dict(load.sent), _version(system)

        def recovered() -> bool:
            counted = watch.counted
            model = not drill.wants_model or _version(system) > version
            return watch.whole() and model and all(counted[user] >= count for user, count in sent.items())

        recovery = time.monotonic() - mended_at if watch.until(recovered, _RECOVER_SECONDS) else None
        load.settle()
        watch.until(lambda: watch.counted == load.sent, _READY_SECONDS)
        watch.for_seconds(2.0)
        answers, counted = load.answers(), system.counted(users)
        dropped_now = system.reading("server").total("headwater_impressions_dropped_total")
    system.tick = system.supervise
    drill.put_back(system)
    failed, degraded = answers.failed - before.failed, answers.degraded - before.degraded
    return Outcome(
        requests=answers.asked - before.asked,
        failed=failed.total(),
        degraded=degraded.total(),
        events=load.sent.total(),
        events_lost=(load.sent - counted).total(),
        events_counted_twice=(counted - load.sent).total(),
        # A server that was killed counts from 0 again.
        impressions_dropped=round(max(dropped_then - dropped, 0.0) + max(dropped_now - dropped_then, 0.0)),
        broken_s=mended_at - broken_at,
        recovery_s=recovery,
        alerts=sorted(watch.fired - quiet_before),
        reasons=dict(failed + degraded),
    )


class _Watch:
    """Looks at the system again and again: keeps it supervised, and remembers the alerts that it has seen fire."""

    def __init__(self, system: System, load: Load, prometheus: Prometheus, users: list[str]) -> None:
        self._system, self._load, self._prometheus, self._users = system, load, prometheus, users
        self.fired: set[str] = set()
        self.counted = system.counted(users)

    def whole(self) -> bool:
        """Whether every part is healthy and answers have been full ones for a second."""
        since = self._load.whole_since
        return since is not None and time.monotonic() - since > _STEADY_SECONDS and self._system.healthy()

    def for_seconds(self, seconds: float) -> None:
        """Watches for so long."""
        self.until(lambda: False, seconds)

    def until(self, look: Callable[[], bool], seconds: float) -> bool:
        """Watches until it comes true; False if it does not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()
            self.counted = self._system.counted(self._users)
            if look():
                return True
            time.sleep(_TICK_SECONDS)
        return False

    def tick(self) -> None:
        """Starts again what has ended, and notes the alerts that fire."""
        self._system.supervise()
        self.fired |= self._firing()

    def _firing(self) -> set[str]:
        try:
            return self._prometheus.firing()
        except (PrometheusError, OSError):
            return set()  # too busy to answer; it is asked again


def _has_model(system: System) -> bool:
    return _version(system) > 0


def _version(system: System) -> float:
    return system.reading("server").total("headwater_model_version")
