"""A learner whose checkpoint is older than its group's offsets."""

import asyncio
import shutil
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from headwater.internal.v1.streams_pb2 import Example
from headwater.v1.topics import EXAMPLES
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.batches import batch_of, send_batches
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.processes import PARTITIONS, environment_of, running_worker

pytestmark = pytest.mark.timeout(300)
LEARNED = "headwater_examples_learned_total"


def _send(kafka: KafkaSettings, numbers: range) -> None:
    records: list[tuple[bytes | None, bytes | None]] = []
    for number in numbers:
        example = Example(user_id="u", item_id=f"i{number % 8}", fingerprint=VOCABULARY.fingerprint, shown_at=1000.0)
        example.features.extend([0.5] * len(VOCABULARY.features))
        example.labels.extend([float(number % 2)] + [float("nan")] * (len(VOCABULARY.tasks) - 1))
        example.source.log, example.source.offset = 1, number
        records.append((b"u", example.SerializeToString()))
    asyncio.run(send_batches(kafka, EXAMPLES.name, [batch_of("zstd", records)]))


def test_a_learner_reads_again_what_its_checkpoint_does_not_hold(broker: KafkaSettings, tmp_path: Path) -> None:
    """Its snapshots were restored from a copy: it learns what came after it once more, although its group had read all of it."""
    ensure_topics(broker, partitions=PARTITIONS)
    environment = environment_of(broker, StoreSettings(directory=tmp_path / "store"), tmp_path)
    snapshots, log = tmp_path / "snapshots", tmp_path / "log"

    def learn(count: int) -> None:
        with running_worker("streams.workers.learner", environment, log) as worker:
            worker.wait_for(LEARNED, count)
            worker.process.terminate()
            assert worker.process.wait(60) == 0

    _send(broker, range(128))
    learn(128)
    shutil.copytree(snapshots, tmp_path / "copy")
    _send(broker, range(128, 320))
    learn(192)
    assert "checkpoint_is_behind" not in log.read_text()
    shutil.rmtree(snapshots)
    shutil.copytree(tmp_path / "copy", snapshots)
    learn(192)
    assert "checkpoint_is_behind" in log.read_text()
    assert "examples_missing" not in log.read_text()
