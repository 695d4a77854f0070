"""Health of a process and the pulse of its event loop."""

import asyncio
import math
import threading
import time

from runtime.health import Health, Problem, Pulse, Watchdog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _text(health: Health) -> str:
    problem = health.problem()
    return "" if problem is None else problem.text


def test_standing_still_while_records_wait_is_ill_and_idling_is_not() -> None:
    """Consumers can die silently; only a restart helps then."""
    clock = Clock()
    health = Health(stall_seconds=60.0, clock=clock)
    users, items = health.part("users"), health.part("items")
    users.assign()
    assert "items is starting" in _text(health)
    items.assign()
    clock.now = 100.0
    assert health.problem() is None
    items.waiting = 3
    users.progress()
    assert "items is stalled: 3 records" in _text(health), "another part's progress must not hide it"
    items.progress()
    assert health.problem() is None


def test_a_rebalance_that_does_not_end_and_a_loop_that_does_not_turn_are_ill() -> None:
    """Neither has records that wait: without partitions there is no lag, and a blocked loop measures none."""
    clock = Clock()
    health = Health(stall_seconds=10.0, clock=clock)
    part = health.part("users")
    part.assign()
    part.revoke()
    assert health.problem() is None
    clock.now = 11.0
    assert "without partitions" in _text(health)
    part.assign()
    health.turn()
    clock.now = 22.0
    assert "event loop is blocked for 11 s" in _text(health)


def test_waiting_for_another_system_is_told_but_is_no_reason_to_restart() -> None:
    """A restart repairs no store; the worse problem, which it may cure, comes first."""
    clock = Clock()
    health = Health(stall_seconds=10.0, clock=clock)
    users, items = health.part("users"), health.part("items")
    for part in (users, items):
        part.assign()
        part.waiting = 1
    users.wait_for("the store does not answer")
    items.wait_for("the store does not answer")
    clock.now = 20.0
    problem = health.problem()
    assert problem is not None
    assert "the store does not answer" in problem.text
    assert not problem.curable
    items.progress()
    clock.now = 31.0
    assert "items is stalled" in _text(health)


def test_a_standstill_is_stuck_once_it_lasts_and_a_restart_may_end_it() -> None:
    """Neither what starts nor what waits for another system is: an orchestrator must not restart those."""
    clock = Clock()
    health = Health(stall_seconds=10.0, clock=clock)
    watchdog = Watchdog(health, exit_seconds=120.0, end=lambda problem: None)
    part = health.part("users")
    clock.now = 200.0
    assert watchdog.stuck() is None, "before it is started"
    part.assign()
    part.waiting = 1
    watchdog.stop()
    watchdog.start()
    part.wait_for("no broker answers")
    clock.now = 400.0
    assert watchdog.stuck() is None
    part.progress()
    clock.now = 500.0
    assert watchdog.stuck() is None
    clock.now = 521.0
    stuck = watchdog.stuck()
    assert stuck is not None
    assert "users is stalled" in stuck.text


async def test_a_loop_that_is_held_up_is_noticed() -> None:
    """What blocks the loop stops the pulse; it is back with the next turn."""
    pulse = Pulse(every_seconds=0.01, dead_after_seconds=0.5)
    beating = asyncio.create_task(pulse.beat())
    held, noticed = threading.Event(), threading.Event()

    def watch() -> None:
        held.wait()
        while pulse.alive():
            time.sleep(0.01)
        noticed.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    await asyncio.sleep(0.05)
    assert pulse.alive()
    held.set()
    assert noticed.wait(60.0)  # this holds the loop up
    while not pulse.alive():  # noqa: ASYNC110 - nothing tells of a beat
        await asyncio.sleep(0.01)
    beating.cancel()
    watcher.join()


def test_while_a_broker_is_unreachable_no_part_counts_as_stalled() -> None:
    """A process that waited for ten minutes has its full time again once the broker is back; a blocked loop is told even so."""
    clock, away = Clock(), Problem(text="no broker for 600 s", seconds=600.0, curable=False)
    waited_for: list[Problem] = [away]
    health = Health(stall_seconds=10.0, away=lambda: waited_for[0] if waited_for else None, clock=clock)
    users = health.part("users")
    assert health.problem() == away, "not: users is starting"
    users.assign()
    users.waiting = 3
    clock.now = 600.0
    assert health.problem() == away
    waited_for.clear()
    clock.now = 609.0
    assert health.problem() is None
    clock.now = 611.0
    assert "users is stalled: 3 records" in _text(health)
    waited_for.append(away)
    health.turn()
    clock.now = 650.0
    assert "event loop is blocked" in _text(health)


def test_a_lag_that_is_not_known_is_told_and_is_no_reason_to_restart() -> None:
    """It is neither 0, which would be well, nor records that wait, which a restart may help."""
    clock = Clock()
    health = Health(stall_seconds=10.0, clock=clock)
    users = health.part("users")
    users.assign()
    users.waiting = math.nan
    clock.now = 9.0
    assert health.problem() is None
    clock.now = 11.0
    problem = health.problem()
    assert problem is not None
    assert "has not been known for 11 s" in problem.text
    assert not problem.curable
