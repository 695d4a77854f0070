"""Live system for the tests of upgrades: its processes, the calls that an application makes of it, and what flows in."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from feature_repo.settings import StoreSettings
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest, RecommendResponse
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.broker.event_producer import event_producer
from runtime.offsets import standing
from runtime.settings import KafkaSettings
from tests.broker import free_port
from tests.chaos.crew import eventually
from tests.streams.processes import WorkerProcess, environment_of, running_worker
from tests.streams.traffic import ITEMS, USERS, traffic

__all__ = ["EVENTS", "Caller", "Generation", "Live", "retire", "send_events", "send_items", "stop", "title"]

EVENTS = 600


class Caller:
    """Asks for a list of everything again and again, where callers are pointed at, as an application does."""

    def __init__(self, address: str) -> None:
        self.answers: list[RecommendResponse] = []
        self.errors: list[str] = []
        self._stub = RecommenderServiceStub(grpc.insecure_channel(address))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Calls no more; returns once the last call has ended."""
        self._ended.set()
        self._thread.join()

    def move_to(self, address: str) -> None:
        """Returns once what was asked of the former address has been answered."""
        self._stub = RecommenderServiceStub(grpc.insecure_channel(address))
        self.wait(2)

    def wait(self, calls: int) -> None:
        """Returns once so many more calls have ended."""
        aim = len(self.answers) + len(self.errors) + calls
        eventually(lambda: len(self.answers) + len(self.errors) >= aim, f"{calls} more calls ended")

    def _run(self) -> None:
        while not self._ended.wait(0.3):
            request = RecommendRequest(user_id=f"u{len(self.answers) % USERS}", list=ListSpec(count=2 * ITEMS, include_seen=True))
            try:
                self.answers.append(self._stub.Recommend(request, timeout=20.0))
            except grpc.RpcError as error:
                self.errors.append(str(error))


class Generation:
    """The processes that share one set of settings: those of before the upgrade, or those of after it."""

    def __init__(
        self, kafka: KafkaSettings, store: StoreSettings, directory: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        """Args: `settings` are what differs between the two, by the names of the environment."""
        directory.mkdir()
        self.snapshot_dir = directory / "snapshots"
        self._kafka, self._directory = kafka, directory
        self._environment = environment_of(kafka, store, directory) | {
            "HEADWATER_LEARNER_FIRST_PUBLISH_EXAMPLES": "128",
            "HEADWATER_STORE_USER_TTL_SECONDS": "1e10",  # the traffic is of 2023
            # Patient: what is asked here is whether it answers in full, on a machine that does much else.
            "HEADWATER_SERVER_STORE_TIMEOUT_SECONDS": "10",
            **(settings or {}),
        }

    def process(self, module: str, **settings: str) -> AbstractContextManager[WorkerProcess]:
        """A process that is starting; killed when the block ends."""
        return running_worker(module, self._environment | settings, self._directory / f"{module}.log")

    @contextmanager
    def server(self) -> Iterator[tuple[WorkerProcess, str]]:
        """A server that is ready and has a model, and its address."""
        port = free_port()
        with self.process("serving", HEADWATER_SERVER_PORT=str(port)) as server:
            eventually(server.healthy, "the server is ready")
            server.wait_for("headwater_model_version", 1)
            yield server, f"127.0.0.1:{port}"

    def wait_done(self, is_meant: Callable[[str], bool]) -> None:
        """Returns once nothing waits for the groups that are meant, as `headwater offsets list` shows it."""

        def done() -> bool:
            states = [state for state in standing(self._kafka) if is_meant(state.group)]
            return bool(states) and all(state.waiting == 0 < state.committed for state in states)

        eventually(done, "nothing waits")


@dataclass(frozen=True, kw_only=True)
class Live:
    """The system as it runs: its processes, and where it is called."""

    catalogue: WorkerProcess
    features: WorkerProcess
    learner: WorkerProcess
    server: WorkerProcess
    address: str

    @classmethod
    def start(cls, running: ExitStack, generation: Generation, kafka: KafkaSettings) -> "Live":
        """Everything, with items, events and a model; it ends with `running`."""
        send_items(kafka, {number: title(number) for number in range(ITEMS)})
        catalogue = running.enter_context(generation.process("streams.workers.catalogue"))
        generation.wait_done(lambda group: group.startswith("headwater-catalogue-"))
        features = running.enter_context(generation.process("streams.workers.features"))
        learner = running.enter_context(generation.process("streams.workers.learner"))
        send_events(kafka)
        features.wait_for("headwater_events_folded_total", EVENTS)
        learner.wait_for("headwater_snapshots_published_total", 1)
        server, address = running.enter_context(generation.server())
        return cls(catalogue=catalogue, features=features, learner=learner, server=server, address=address)


def stop(*workers: WorkerProcess) -> None:
    """Asks each to end, and waits until all have."""
    for worker in workers:
        worker.process.terminate()
    assert [worker.process.wait(120) for worker in workers] == [0] * len(workers)


def retire(before: Live, after: Live, caller: Caller) -> None:
    """Stops the server of before, whose caller has moved, and ends the calls a while later; neither side has refused anything."""
    assert before.server.total("headwater_model_load_failures_total") == 0
    stop(before.server)
    caller.wait(10)
    caller.end()
    assert after.server.total("headwater_model_load_failures_total") == 0
    assert after.features.total("headwater_events_dead_lettered_total") == 0


def title(number: int) -> str:
    """Of an item as it is sent first."""
    return f"Item number {number}"


def send_items(kafka: KafkaSettings, titles: Mapping[int, str]) -> None:
    """Publishes catalogue entries by number."""
    with event_producer(kafka) as producer:
        for number, text in titles.items():
            change = CatalogueChange()
            change.upsert.item_id, change.upsert.type, change.upsert.title = f"i{number}", "article", text
            producer.send_change(change)


def send_events(kafka: KafkaSettings, *, first: int = 0) -> None:
    """Publishes EVENTS events of the traffic."""
    with event_producer(kafka) as producer:
        for event in traffic(EVENTS, first=first):
            producer.send(event)
