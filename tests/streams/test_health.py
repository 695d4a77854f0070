"""A worker's health and its HTTP port."""

import urllib.error
import urllib.request

from prometheus_client import CollectorRegistry

from streams.health import Health, MonitoringServer
from streams.metrics import WorkerMetrics


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_standing_still_while_records_wait_is_ill_and_idling_is_not() -> None:
    """Consumers can die silently; only a restart mends that."""
    clock = Clock()
    health = Health(stall_seconds=60.0, clock=clock)
    users, items = health.part("users"), health.part("items")
    users.ready = True
    assert "items is starting" in (health.problem() or "")
    items.ready = True
    clock.now = 100.0
    assert health.problem() is None
    items.waiting = 3
    users.progress()
    assert "items is stalled: 3 records" in (health.problem() or ""), "another part's progress must not hide it"
    items.progress()
    assert health.problem() is None


def test_both_pages_are_served() -> None:
    """Prometheus and whoever restarts the worker read them."""
    registry = CollectorRegistry()
    WorkerMetrics(registry).dead_lettered.labels("future").inc(2)
    health = Health(stall_seconds=60.0)
    health.part("users")
    server = MonitoringServer("127.0.0.1", 0, registry=registry, health=health)
    server.start()
    try:
        assert _get(server.port, "/healthz") == (
            503,
            "users is starting: no partitions are assigned or the items are not read yet",
        )
        health.part("users").ready = True
        assert _get(server.port, "/healthz") == (200, "ok")
        assert 'headwater_events_dead_lettered_total{reason="future"} 2.0' in _get(server.port, "/metrics")[1]
    finally:
        server.stop()


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
