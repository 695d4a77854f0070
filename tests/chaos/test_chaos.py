"""Whatever is killed, joins, leaves, restarts or is sent twice: rows and heads equal those of one clean pass.

`make chaos` runs it at length; `HEADWATER_CHAOS_SECONDS` is how long each test disturbs, a few seconds where it is not set.
"""

import os
import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import ITEM_CONTENT
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from streams.learning.settings import LearnerSettings
from tests.broker import broker_process
from tests.chaos.clean import CleanRows, alike, clean_checkpoint, same, stored
from tests.chaos.crew import Crew, eventually
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.processes import PARTITIONS, environment_of, read_topic
from tests.streams.traffic import ITEMS, traffic
from training.encoding.cache import content_hash, item_text
from training.storage.checkpoints import CheckpointFile

SECONDS = float(os.environ.get("HEADWATER_CHAOS_SECONDS", "12"))
LEARNING = LearnerSettings(checkpoint_examples=64, first_publish_examples=128)
RATE = 250.0  # events a second: a loaded machine folds more
pytestmark = pytest.mark.timeout(300 + 4 * SECONDS)


class Producing:
    """Sends events in the background: each fifth twice at once, and all of the first half again at the end."""

    def __init__(self, kafka: KafkaSettings, seconds: float, *, repeated: bool) -> None:
        self._kafka, self._repeated = kafka, repeated
        self.events = list(traffic(int(RATE * seconds)))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Producing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        with event_producer(self._kafka) as producer:
            for number, event in enumerate(self.events):
                producer.send(event)
                if self._repeated and number % 5 == 0:
                    producer.send(event)
                time.sleep(1.0 / RATE)
            if self._repeated:
                for event in self.events[: len(self.events) // 2]:
                    producer.send(event)


def _send_catalogue(kafka: KafkaSettings) -> dict[str, str]:
    """Sends each item of the traffic; returns the hash of its text."""
    hashes = {}
    with event_producer(kafka) as producer:
        for number in range(ITEMS):
            change = CatalogueChange()
            change.upsert.item_id, change.upsert.type, change.upsert.title = f"i{number}", "article", f"Item number {number}"
            producer.send_change(change)
            hashes[f"i{number}"] = content_hash(item_text(change.upsert.title, ""))
    return hashes


def _contents(kafka: KafkaSettings) -> dict[str, str]:
    contents = [ItemContent.FromString(record.value or b"") for record in read_topic(kafka, ITEM_CONTENT.name)]
    return {content.item.item_id: content.content_hash for content in contents}


@pytest.fixture
def crew(broker: KafkaSettings, store_settings: StoreSettings, tmp_path: Path) -> Iterator[Crew]:
    """Nobody yet, beside an empty broker and store."""
    ensure_topics(broker, partitions=PARTITIONS)
    environment = environment_of(broker, store_settings, tmp_path) | {
        "HEADWATER_WORKER_BATCH_SIZE": "64",
        "HEADWATER_LEARNER_CHECKPOINT_EXAMPLES": str(LEARNING.checkpoint_examples),
        "HEADWATER_LEARNER_FIRST_PUBLISH_EXAMPLES": str(LEARNING.first_publish_examples),
    }
    with Crew(environment=environment, directory=tmp_path) as crew:
        yield crew


def _clean_rows(kafka: KafkaSettings, store: StoreSettings, crew: Crew, *, after: CleanRows | None = None) -> CleanRows:
    """Waits until all stored rows equal those of a clean pass over all that was sent."""
    reader = RowStore(store, VOCABULARY)
    clean = CleanRows(kafka, after)

    def equal() -> bool:
        nonlocal clean
        crew.tend()
        clean = CleanRows(kafka, after)
        expected = clean.bytes()
        return clean.item_events() == clean.folded and stored(reader, expected) == expected

    eventually(equal, "rows as after a clean pass")
    return clean


@pytest.mark.parametrize("commit_seconds", [0.5, 3600.0], ids=["commits", "killed before each commit"])
def test_kills_leave_no_trace(
    crew: Crew, broker: KafkaSettings, store_settings: StoreSettings, tmp_path: Path, commit_seconds: float
) -> None:
    """Every worker is killed at random moments while events flow and a second features worker joins and leaves.

    With commits an hour apart each kill falls between the write of rows and the commit of offsets.
    """
    draw = random.Random(7)
    crew.environment["HEADWATER_WORKER_COMMIT_INTERVAL_SECONDS"] = str(commit_seconds)
    hashes = _send_catalogue(broker)
    crew.join("catalogue", "streams.workers.catalogue")
    time.sleep(draw.uniform(1.0, 6.0))
    crew.kill("catalogue")
    crew.tend()
    # The vectors are inputs of learning, so they have to stand before it begins.
    eventually(lambda: _contents(broker) == hashes, "the whole catalogue encoded")
    crew.leave("catalogue")

    crew.join("features", "streams.workers.features")
    crew.join("learner", "streams.workers.learner")
    with Producing(broker, SECONDS, repeated=True) as producing:
        crew.disturb(draw, SECONDS, spare="features-2", spare_module="streams.workers.features")
    clean = _clean_rows(broker, store_settings, crew)
    assert clean.folded == len(producing.events)
    assert clean.duplicates >= len(producing.events) // 2
    assert crew.killed > 1

    checkpoint = CheckpointFile(tmp_path / "snapshots" / "learner.checkpoint")

    def learned() -> bool:
        state = checkpoint.load()
        return state is not None and state["position"] == clean_checkpoint(broker, tmp_path, LEARNING)["position"]

    crew.tend()
    eventually(learned, "all examples learned")
    found, expected = checkpoint.load(), clean_checkpoint(broker, tmp_path, LEARNING)
    assert found is not None
    for part in ("contest", "seen"):
        assert same(found[part], expected[part]), part
    # What is shown is predicted in the groups in which it comes, and the size of a group moves the last bits of a product.
    assert alike(found["progress"], expected["progress"])


def test_a_broker_that_starts_anew_with_an_empty_log_hides_no_event(store_settings: StoreSettings, tmp_path: Path) -> None:
    """Its offsets start from 0 again; rows go on from what they counted, with each event of the new log counted once."""
    with broker_process() as (kafka, process):
        ensure_topics(kafka, partitions=PARTITIONS)
        with Crew(environment=environment_of(kafka, store_settings, tmp_path), directory=tmp_path) as crew:
            crew.join("features", "streams.workers.features")
            _send(kafka, traffic(800))
            first = _clean_rows(kafka, store_settings, crew)
            process.kill()
            process.wait()
            with ExitStack() as cleanup:
                # Whoever asks this broker for a topic before it is created gets one with four partitions.
                with crew.frozen("features"):
                    cleanup.enter_context(broker_process(int(kafka.bootstrap_servers.rpartition(":")[2])))
                    ensure_topics(kafka, partitions=PARTITIONS)
                _send(kafka, traffic(600, first=800))
                both = _clean_rows(kafka, store_settings, crew, after=first)
                assert (first.folded, both.folded) == (800, 1400)


def _send(kafka: KafkaSettings, events: Iterable[Event]) -> None:
    with event_producer(kafka) as producer:
        for event in events:
            producer.send(event)
