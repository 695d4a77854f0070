"""Another encoder on a live system, as docs/upgrades.md says it: no failed call, and no vector of the one where the other is."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import grpc
import numpy as np
import pytest

from feature_repo.mirror import ItemMirror
from feature_repo.settings import KafkaSettings, StoreSettings
from feature_repo.store import apply
from feature_repo.table import ItemTable
from protos.catalogue_pb2 import CatalogueChange
from protos.recommender_pb2 import RecommendRequest, RecommendResponse
from protos.recommender_pb2_grpc import RecommenderStub
from streams.offsets import move, standing
from streams.producer import EventProducer
from streams.topics import ensure_topics
from tests.broker import free_port, running_broker
from tests.chaos.crew import eventually
from tests.feature_repo.worlds import VOCABULARY
from tests.redis import running_redis
from tests.streams.processes import PARTITIONS, WorkerProcess, environment_of, running_worker
from tests.streams.traffic import ITEMS, USERS, traffic
from training.cache import item_text
from training.encoder import TextEncoder
from training.settings import EncoderSettings
from training.snapshots import SnapshotStore

pytestmark = pytest.mark.timeout(600)

EVENTS = 600


class Caller:
    """Asks for a list of everything again and again, where callers are pointed at, as an application does."""

    def __init__(self, address: str) -> None:
        self.answers: list[RecommendResponse] = []
        self.errors: list[str] = []
        self._stub = RecommenderStub(grpc.insecure_channel(address))
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
        self._stub = RecommenderStub(grpc.insecure_channel(address))
        self.wait(2)

    def wait(self, calls: int) -> None:
        """Returns once so many more calls have ended."""
        aim = len(self.answers) + len(self.errors) + calls
        eventually(lambda: len(self.answers) + len(self.errors) >= aim, f"{calls} more calls ended")

    def _run(self) -> None:
        while not self._ended.wait(0.3):
            request = RecommendRequest(user_id=f"u{len(self.answers) % USERS}", count=2 * ITEMS, include_seen=True)
            try:
                self.answers.append(self._stub.Recommend(request, timeout=20.0))
            except grpc.RpcError as error:
                self.errors.append(str(error))


class Generation:
    """One version of the encoder: its processes, its snapshots, and the item table as they keep it."""

    def __init__(self, pooling: Literal["mean", "cls"], kafka: KafkaSettings, store: StoreSettings, directory: Path) -> None:
        directory.mkdir()
        self._environment = environment_of(kafka, store, directory) | {
            "HEADWATER_ENCODER_POOLING": pooling,
            "HEADWATER_LEARNER_FIRST_PUBLISH_EXAMPLES": "128",
            "HEADWATER_STORE_USER_TTL_SECONDS": "1e10",  # the traffic is of 2023
            # Patient: what is asked here is whether it answers in full, on a machine that does much else.
            "HEADWATER_SERVER_MAX_WAIT_SECONDS": "10",
            "HEADWATER_SERVER_STORE_TIMEOUT_SECONDS": "10",
        }
        self._kafka, self._directory = kafka, directory
        settings = EncoderSettings(encoder=self._environment["HEADWATER_ENCODER"], encoder_pooling=pooling)
        self._encoder = TextEncoder(settings.items())
        self.version = self._encoder.version
        self.group = f"headwater-catalogue-{self.version}"

    def process(self, module: str, **settings: str) -> AbstractContextManager[WorkerProcess]:
        """A process that is starting; killed when the block ends."""
        return running_worker(module, self._environment | settings, self._directory / f"{module}.log")

    @contextmanager
    def server(self) -> Iterator[tuple[WorkerProcess, str]]:
        """A server that is ready, and its address."""
        port = free_port()
        with self.process("serving", HEADWATER_SERVER_PORT=str(port)) as server:
            eventually(server.healthy, "the server is ready")
            yield server, f"127.0.0.1:{port}"

    def wait_encoded(self) -> None:
        """Returns once its catalogue worker has written all that the log holds."""

        def encoded() -> bool:
            return any(state.group == self.group and state.waiting == 0 < state.committed for state in standing(self._kafka))

        eventually(encoded, f"nothing waits for {self.group}")

    @contextmanager
    def mirror(self) -> Iterator[ItemMirror]:
        """The items as its processes hold them."""
        mirror = ItemMirror(ItemTable(VOCABULARY, dimensions=self._encoder.dimension), self._kafka, encoder_version=self.version)
        mirror.start()
        try:
            assert mirror.wait_ready(60.0)
            yield mirror
        finally:
            mirror.stop()

    def titles(self, table: ItemTable) -> list[str]:
        """Titles of the table's items, each of whose vectors is what this encoder makes of it."""
        rows = np.flatnonzero(table.live)
        items = [item for row in rows if (item := table.content[row]) is not None]
        vectors_BD = self._encoder.encode([item_text(item.title, item.text) for item in items])
        assert np.allclose(table.vectors[rows], vectors_BD, atol=1e-4)
        return sorted(item.title for item in items)

    def snapshot_encoders(self) -> set[str]:
        """Whose vectors its published models have learned from."""
        snapshots = SnapshotStore(self._directory / "snapshots", clock=time.time)
        return {manifest.encoder_version for manifest in snapshots.list()}


def stop(*workers: WorkerProcess) -> None:
    """Asks each to end, and waits until all have."""
    for worker in workers:
        worker.process.terminate()
    assert [worker.process.wait(120) for worker in workers] == [0] * len(workers)


def title(number: int) -> str:
    return f"Item number {number}"


def send_items(kafka: KafkaSettings, titles: dict[int, str]) -> None:
    """Publishes catalogue entries by number."""
    with EventProducer(kafka) as producer:
        for number, text in titles.items():
            change = CatalogueChange()
            change.upsert.item_id, change.upsert.type, change.upsert.title = f"i{number}", "article", text
            producer.send_change(change)


def send_events(kafka: KafkaSettings, *, first: int = 0) -> None:
    with EventProducer(kafka) as producer:
        for event in traffic(EVENTS, first=first):
            producer.send(event)


@dataclass(frozen=True, kw_only=True)
class Live:
    """The system as it runs with one encoder: its processes, and where it is called."""

    catalogue: WorkerProcess
    features: WorkerProcess
    learner: WorkerProcess
    server: WorkerProcess
    address: str


def live_system(running: ExitStack, generation: Generation, kafka: KafkaSettings) -> Live:
    """Everything started, with items, events and a model; ended with `running`."""
    send_items(kafka, {number: title(number) for number in range(ITEMS)})
    catalogue = running.enter_context(generation.process("streams.catalogue"))
    generation.wait_encoded()
    features = running.enter_context(generation.process("streams.features"))
    learner = running.enter_context(generation.process("streams.learner"))
    send_events(kafka)
    features.wait_for("headwater_events_folded_total", EVENTS)
    learner.wait_for("headwater_snapshots_published_total", 1)
    server, address = running.enter_context(generation.server())
    server.wait_for("headwater_model_version", 1)
    return Live(catalogue=catalogue, features=features, learner=learner, server=server, address=address)


def take_over(running: ExitStack, live: Live, new: Generation, kafka: KafkaSettings, changes: dict[int, str]) -> Live:
    """Steps 1 to 5 of the page, up to new servers that are ready; items change while both encoders' workers run."""
    catalogue = running.enter_context(new.process("streams.catalogue"))
    new.wait_encoded()
    send_items(kafka, changes)
    new.wait_encoded()

    stop(live.learner)
    learner = running.enter_context(new.process("streams.learner"))
    stop(live.features)
    features = running.enter_context(new.process("streams.features"))
    send_events(kafka, first=EVENTS)
    learner.wait_for("headwater_snapshots_published_total", 1)

    stop(live.catalogue, catalogue)
    assert move(kafka, new.group, to_end=False) == ITEMS + len(changes)
    catalogue = running.enter_context(new.process("streams.catalogue"))
    new.wait_encoded()
    server, address = running.enter_context(new.server())
    server.wait_for("headwater_model_version", 1)
    return Live(catalogue=catalogue, features=features, learner=learner, server=server, address=address)


def test_another_encoder_takes_over_without_a_failed_call_or_a_mixed_vector(tmp_path: Path) -> None:
    """The page's steps, while a caller calls; both encoders make vectors of one length, so that only the version tells them."""
    changes = {1: "A title that was changed meanwhile", ITEMS: "An item that came meanwhile"}
    titles = sorted(({number: title(number) for number in range(ITEMS)} | changes).values())
    with running_broker() as kafka, running_redis(tmp_path / "store") as store, ExitStack() as running:
        apply(store)
        ensure_topics(kafka, partitions=PARTITIONS)
        old = Generation("mean", kafka, store, tmp_path / "old")
        new = Generation("cls", kafka, store, tmp_path / "new")
        assert old.version != new.version
        before = live_system(running, old, kafka)
        old_mirror = running.enter_context(old.mirror())
        caller = running.enter_context(Caller(before.address))

        after = take_over(running, before, new, kafka, changes)
        caller.move_to(after.address)
        assert before.server.total("headwater_snapshots_rejected_total") == 0
        stop(before.server)
        caller.wait(10)
        caller.end()

        assert after.server.total("headwater_snapshots_rejected_total") == 0
        assert after.features.total("headwater_events_dead_lettered_total") == 0
        assert old.titles(old_mirror.table) == titles
        with new.mirror() as fresh:
            assert new.titles(fresh.table) == titles
    assert (old.snapshot_encoders(), new.snapshot_encoders()) == ({old.version}, {new.version})
    assert caller.errors == []
    assert not [answer.info.degradations for answer in caller.answers if answer.info.degradations]
    # The new item came into the lists of the old server, too, and none was missing on the way.
    sizes = [len(answer.items) for answer in caller.answers]
    assert sizes == sorted(sizes)
    assert set(sizes) == {ITEMS, ITEMS + 1}
