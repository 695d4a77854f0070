"""The demo's stream is paced by what the workers report, and does not balance unless every event is accounted for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Counter, start_http_server
from rich.console import Console

from deploy.observe import flow
from deploy.observe.flow import Flow, FlowError
from headwater.v1.events_pb2 import Event
from tests.broker import free_port


@dataclass
class Worker:
    """Both workers in one: counts what it is told to, on a real /metrics port."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    sent: int = 0
    most_outstanding: int = 0

    def __post_init__(self) -> None:
        names = ("events_folded", "events_duplicate", "examples_published", "examples_learned")
        self.counters = {name: Counter(f"headwater_{name}", "", registry=self.registry) for name in names}
        self.dead = Counter("headwater_events_dead_lettered", "", ["reason"], registry=self.registry)

    def send(self, event: Event) -> None:
        """Takes an event; folds what it holds when the demo looks, so that it lags by up to a look."""
        self.sent += 1

    def fold_some(self) -> None:
        """Folds up to 300 of the waiting events."""
        folded = self.counters["events_folded"]
        waiting = self.sent - self.total(folded)
        self.most_outstanding = max(self.most_outstanding, waiting)
        folded.inc(min(waiting, 300))

    @staticmethod
    def total(counter: Counter) -> int:
        """What the counter stands at."""
        return int(next(iter(counter.collect())).samples[0].value)


@pytest.fixture
def worker() -> Worker:
    """A worker that nothing was sent to."""
    return Worker()


@pytest.fixture
def stream(worker: Worker) -> Iterator[Flow]:
    """A flow into that worker."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=worker.registry)
    ports = {"features": server.server_port, "learner": server.server_port}
    yield Flow(console=Console(quiet=True), send=worker.send, check=worker.fold_some, metrics_ports=ports, expected=10_000)
    server.shutdown()
    server.server_close()
    thread.join()


def test_publishing_never_runs_far_ahead_of_folding(stream: Flow, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are held back until the worker has caught up to within the limit."""
    monkeypatch.setattr(flow, "_MAX_LAG", 1000)
    monkeypatch.setattr(flow, "_PAUSE_SECONDS", 0.0)
    stream.publish(Event(event_id=str(number)) for number in range(6000))
    assert worker.sent == stream.published == 6000
    assert worker.most_outstanding <= 1000 + 500


def test_it_settles_when_every_event_is_one_of_the_three(stream: Flow, worker: Worker) -> None:
    """Folded, dead-lettered and duplicates add up to what was published."""
    for number in range(10):
        stream.send_one(Event(event_id=str(number)))
    worker.dead.labels("future").inc(3)
    worker.counters["events_duplicate"].inc(2)
    worker.sent = 5  # the rest is to be folded
    stream.settle(batch=1)
    account = stream.account()
    assert (account.published, account.folded, account.dead_lettered, account.duplicates) == (10, 5, 3, 2)


def test_an_event_that_vanishes_fails_loudly(stream: Flow, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event short and nothing moving is an error that gives the counts."""
    monkeypatch.setattr(flow, "_STALLED_SECONDS", 0.3)
    stream.send_one(Event(event_id="1"))
    worker.sent = 0
    with pytest.raises(FlowError, match=r"nothing has moved(.|\n)*published=1, folded=0"):
        stream.settle(batch=1)


def test_an_event_counted_twice_fails_loudly(stream: Flow, worker: Worker) -> None:
    """More folded than published is an error too."""
    stream.send_one(Event(event_id="1"))
    worker.sent = 2
    with pytest.raises(FlowError, match="more events came out than went in"):
        stream.settle(batch=1)


def test_unlearned_examples_are_waited_for(stream: Flow, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full batch of examples that is never learned is an error; less than a batch is not."""
    monkeypatch.setattr(flow, "_STALLED_SECONDS", 0.3)
    worker.counters["examples_published"].inc(31)
    stream.settle(batch=32)
    with pytest.raises(FlowError, match="31 not"):
        stream.settle(batch=31)


def test_a_worker_that_died_is_told_of_before_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its /metrics falls silent before anyone has noticed its end: the second look at the parts names it."""
    monkeypatch.setattr(flow, "_DYING_SECONDS", 0.0)
    looks: list[int] = []

    def check() -> None:
        looks.append(1)
        if len(looks) > 1 + silent:
            raise RuntimeError("features has died")

    silent, port = 0, free_port()
    dead = Flow(
        console=Console(quiet=True), send=print, check=check, metrics_ports={"features": port, "learner": port}, expected=1
    )
    with pytest.raises(RuntimeError, match="features has died"):
        dead.look()
    silent = 10
    with pytest.raises(FlowError, match="does not answer"):
        dead.look()
