"""Two learner processes at once: the one that was frozen while the other took over writes nothing, and ends."""

import signal
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from feature_repo.settings import StoreSettings
from headwater.v1.topics import EXAMPLES
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.streams.learning.test_learner import record
from tests.streams.processes import PARTITIONS, environment_of, running_worker
from training.storage.checkpoints import CheckpointFile
from training.storage.snapshots import SnapshotStore

pytestmark = pytest.mark.timeout(600)
LEARNER = "streams.workers.learner"


def _send(kafka: KafkaSettings, offsets: range) -> None:
    producer = KafkaProducer(**kafka.client_options())
    for offset in offsets:
        producer.send(EXAMPLES.name, key=b"u", value=record(offset).value)
    producer.flush()
    producer.close()


def test_a_learner_frozen_while_another_took_over_ends_and_rolls_nothing_back(broker: KafkaSettings, tmp_path: Path) -> None:
    """It holds what it learned and has not written when it is stopped; after it thaws, checkpoint and CURRENT are the other's."""
    ensure_topics(broker, partitions=PARTITIONS)
    often = {"HEADWATER_LEARNER_FIRST_PUBLISH_EXAMPLES": "64", "HEADWATER_LEARNER_PUBLISH_SECONDS": "1"}
    seldom = {"HEADWATER_LEARNER_CHECKPOINT_SECONDS": "3600", "HEADWATER_LEARNER_CHECKPOINT_EXAMPLES": "1000000"}
    environment = environment_of(broker, StoreSettings(directory=tmp_path / "store"), tmp_path)
    checkpoint = CheckpointFile(tmp_path / "snapshots" / "learner.checkpoint")
    snapshots = SnapshotStore(tmp_path / "snapshots", clock=time.time)
    with running_worker(LEARNER, environment | often | seldom, tmp_path / "frozen.log") as frozen:
        _send(broker, range(512))
        frozen.wait_for("headwater_examples_learned_total", 512)
        frozen.process.send_signal(signal.SIGSTOP)
        with running_worker(LEARNER, environment | often, tmp_path / "other.log") as other:
            _send(broker, range(512, 1024))
            other.wait_for("headwater_examples_learned_total", 1024)
            other.wait_for("headwater_snapshots_published_total", 1)
            other.process.terminate()
            assert other.process.wait(120) == 0
        state = checkpoint.load()
        assert state is not None
        assert state["position"] == 1024
        served = snapshots.current()
        frozen.process.send_signal(signal.SIGCONT)
        assert frozen.process.wait(120) == 1, frozen.log_text[-3000:]
        assert "another learner claimed it" in frozen.log_text
    after = checkpoint.load()
    assert after is not None
    assert (after["position"], snapshots.current()) == (1024, served)
