"""The HTTP server for probes and scrapes."""

import urllib.error
import urllib.request

from prometheus_client import CollectorRegistry, Counter

from runtime.probes import Probes


def test_checks_and_metrics_are_served() -> None:
    """Prometheus and the orchestrator read them; a problem is status 503 with its text."""
    registry = CollectorRegistry()
    Counter("headwater_events_total", "Events.", registry=registry).inc(2)
    problems: list[str] = ["users is starting"]
    probes = Probes("127.0.0.1", 0, registry=registry, checks={"/healthz": lambda: problems[0] if problems else None})
    probes.start()
    try:
        assert _get(probes.port, "/healthz") == (503, "users is starting\n")
        problems.clear()
        assert _get(probes.port, "/healthz") == (200, "ok\n")
        assert "headwater_events_total 2.0" in _get(probes.port, "/metrics")[1]
        assert _get(probes.port, "/") == (404, "there are /metrics, /healthz\n")
    finally:
        probes.stop()


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
