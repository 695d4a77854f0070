"""A project is served by what its last event taught, and not by an early model."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from rich.console import Console

from deploy.dataset import load
from deploy.observe.flow import Flow

EXAMPLES = 900


class Workers:
    """All workers in one, on a real /metrics port; each look finds them 300 examples further, and then with a model of those."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.learned = Counter("headwater_examples_learned", "", registry=self.registry)
        self.published = Counter("headwater_examples_published", "", registry=self.registry)
        self.version = Gauge("headwater_model_version", "", registry=self.registry)
        self.published.inc(EXAMPLES)
        self.done = 0

    def learn_some(self) -> None:
        """Publishes a model of what was learned by the look before, and learns on."""
        self.version.set(self.done // 300)
        if self.done < EXAMPLES:
            self.done += 300
            self.learned.inc(300)

    def learn_nothing(self) -> None:
        """Does not move."""


@pytest.fixture
def workers() -> Workers:
    """Workers that learned nothing yet."""
    return Workers()


@pytest.fixture
def port(workers: Workers) -> Iterator[int]:
    """Where they serve their metrics."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=workers.registry)
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_waits_for_a_model_of_all_examples(workers: Workers, port: int) -> None:
    """The models of a part of them, which score already, are not taken for it."""
    flow = Flow(
        console=Console(quiet=True),
        send=lambda event: None,
        check=workers.learn_some,
        metrics_ports={"features": port, "learner": port},
        expected=0,
    )
    assert load._await_model(flow, port) == EXAMPLES // 300
    assert flow.learned == EXAMPLES


def test_it_waits_no_longer_than_anything_moves(workers: Workers, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few examples, or weights that were rejected, give no model: the stack is up all the same."""
    monkeypatch.setattr(load, "_MODEL_STALLED_SECONDS", 0.5)
    flow = Flow(
        console=Console(quiet=True),
        send=lambda event: None,
        check=workers.learn_nothing,
        metrics_ports={"features": port, "learner": port},
        expected=0,
    )
    assert load._await_model(flow, port) == 0
