"""Every reader takes batches of every codec, and passes over one that decompresses to gigabytes."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from deploy.console.recent_users import recent_users
from deploy.drills.kafka import ApacheKafka
from deploy.evaluation.rescoring import read_texts
from deploy.evaluation.served import read_events
from feature_repo.items.mirror import ItemMirror
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.internal.v1.streams_pb2 import DeadLetter, Erasure, Example, ItemAction, ItemContent
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, DEAD_LETTERS, ERASURES, EVENTS, EXAMPLES, ITEM_ACTIONS, ITEM_CONTENT
from runtime.broker.codecs import CODECS
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from streams.dead_letters import read_letters
from streams.erasures import forget
from tests.batches import batch_of, bomb_of, send_batches
from tests.feature_repo.worlds import VOCABULARY, table_of
from tests.kafka.commands import headwater
from tests.streams.processes import WorkerProcess, environment_of, running_worker

pytestmark = pytest.mark.timeout(300)

_BATCH_BYTES = 3 << 20
_BOMB_MEBIBYTES = 1500
Records = list[tuple[bytes | None, bytes | None]]


@pytest.fixture
def wide(kafka: KafkaSettings, apache_kafka: ApacheKafka) -> KafkaSettings:
    """A broker whose topics take batches of several MiB that are not compressed, too."""
    ensure_topics(kafka, partitions=1)
    for topic in (CATALOGUE, DEAD_LETTERS, ERASURES, EVENTS, EXAMPLES, ITEM_ACTIONS, ITEM_CONTENT):
        apache_kafka.configure(topic.name, {"max.message.bytes": 8 << 20})
    return kafka


def _events(codec: str) -> Records:
    found: Records = []
    for number in range(_BATCH_BYTES // 50_000):
        event = Event(event_id=f"{codec}-{number}", user_id=f"u{number % 4}", item_id=f"i{number % 8}")
        event.occurred_at.FromNanoseconds(time.time_ns())
        event.impression.served.model_version = "v" * 50_000
        found.append((event.user_id.encode(), event.SerializeToString()))
    return found


def _changes(codec: str) -> Records:
    found: Records = []
    for number in range(_BATCH_BYTES // 200_000):
        change = CatalogueChange()
        item = change.upsert
        item.item_id, item.type, item.title, item.text = f"{codec}-{number}", "article", f"Title {number}", "t" * 200_000
        found.append((item.item_id.encode(), change.SerializeToString()))
    return found


def _examples(codec: str) -> Records:
    history = [f"i{number % 8}" for number in range(256)]
    tasks = len(VOCABULARY.tasks)
    found: Records = []
    for number in range(_BATCH_BYTES // 5_000):
        example = Example(user_id="u", item_id=f"i{number % 8}", fingerprint=VOCABULARY.fingerprint, shown_at=1000.0)
        example.features.extend([0.5] * len(VOCABULARY.features))
        example.history_item_ids.extend(history)
        example.history_values.extend([1.0] * (len(history) * (1 + tasks)))
        example.labels.extend([float(number % 2)] + [float("nan")] * (tasks - 1))
        example.source.log, example.source.offset = 1, CODECS.index(codec) * 10_000 + number
        found.append((b"u", example.SerializeToString()))
    return found


def _actions(codec: str) -> Records:
    found: Records = []
    for number in range(_BATCH_BYTES // 50_000):
        action = ItemAction(item_id=f"i{number % 8}", occurred_at=1000.0, deleted=True, user_id="u" * 50_000)
        action.source.log, action.source.offset = 1, CODECS.index(codec) * 10_000 + number
        found.append((action.item_id.encode(), action.SerializeToString()))
    return found


def _contents(codec: str) -> Records:
    found: Records = []
    for number in range(_BATCH_BYTES // 50_000):
        content = ItemContent(vector=np.eye(1, 6, number % 6, dtype="<f4").tobytes(), encoder_version="test")
        content.item.item_id, content.item.type, content.item.text = f"{codec}-{number}", "article", "t" * 50_000
        found.append((content.item.item_id.encode(), content.SerializeToString()))
    return found


def _letters(codec: str) -> Records:
    return [
        (b"k", DeadLetter(topic=EVENTS.name, offset=CODECS.index(codec) * 100 + number, value=b"x" * 50_000).SerializeToString())
        for number in range(_BATCH_BYTES // 50_000)
    ]


def _receipts(codec: str) -> Records:
    return [
        (b"u", Erasure(user_id="u" * 50_000, event_id=f"{codec}-{number}").SerializeToString())
        for number in range(_BATCH_BYTES // 50_000)
    ]


_MADE = {
    EVENTS.name: _events,
    CATALOGUE.name: _changes,
    EXAMPLES.name: _examples,
    ITEM_ACTIONS.name: _actions,
    ITEM_CONTENT.name: _contents,
    DEAD_LETTERS.name: _letters,
    ERASURES.name: _receipts,
}


def _send(kafka: KafkaSettings, topic: str) -> int:
    """A batch of every codec with one of gigabytes in the middle; returns how many records the five hold."""
    batches = [batch_of(codec, _MADE[topic](codec), at=time.time_ns() // 1_000_000) for codec in CODECS]
    asyncio.run(send_batches(kafka, topic, [*batches[:2], bomb_of(_BOMB_MEBIBYTES), *batches[2:]]))
    return sum(len(_MADE[topic](codec)) for codec in CODECS)


def _peak_mebibytes(worker: WorkerProcess) -> float:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_workers_take_every_codec_and_pass_over_a_bomb(wide: KafkaSettings, tmp_path: Path) -> None:
    """Features (both groups), catalogue and learner: all records of the five count, the bomb is one dead letter, none ends."""
    sent = {topic: _send(wide, topic) for topic in (EVENTS.name, ITEM_ACTIONS.name, CATALOGUE.name, EXAMPLES.name)}
    store = StoreSettings(directory=tmp_path / "store")
    apply(store)
    environment = environment_of(wide, store, tmp_path)
    with (
        running_worker("streams.workers.features", environment, tmp_path / "features.log") as features,
        running_worker("streams.workers.catalogue", environment, tmp_path / "catalogue.log") as catalogue,
        running_worker("streams.workers.learner", environment, tmp_path / "learner.log") as learner,
    ):
        features.wait_for("headwater_events_folded_total", sent[EVENTS.name])
        features.wait_for("headwater_events_dead_lettered_total", 2)
        catalogue.wait_for("headwater_events_dead_lettered_total", 1)
        learner.wait_for("headwater_examples_unusable_total", 1)
        learner.wait_for("headwater_examples_learned_total", sent[EXAMPLES.name] // 64 * 64)
        for worker in (features, catalogue, learner):
            assert worker.process.poll() is None
            assert _peak_mebibytes(worker) < 1400
        letters = {letter.content.topic: letter.content for letter in read_letters(wide)}
        mirrored = _mirror(wide, wanted=sent[CATALOGUE.name])
        assert mirrored.contents_applied == sent[CATALOGUE.name]
    assert set(letters) == {EVENTS.name, ITEM_ACTIONS.name, CATALOGUE.name}
    assert {letter.reason for letter in letters.values()} == {"unreadable"}
    assert "decompress to more than" in letters[EVENTS.name].detail


def _mirror(kafka: KafkaSettings, *, wanted: int) -> ItemMirror:
    mirror = ItemMirror(table_of(0, dimensions=384), kafka)
    mirror.start()
    try:
        deadline = time.monotonic() + 120.0
        while mirror.contents_applied < wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        assert mirror.wait_ready(60.0)
        return mirror
    finally:
        mirror.stop()


def test_the_item_mirror_and_commands_take_every_codec_and_pass_over_a_bomb(wide: KafkaSettings) -> None:
    """What reads a topic from its beginning: the mirror of every process, and the commands and the console's questions."""
    sent = {topic: _send(wide, topic) for topic in (ITEM_CONTENT.name, EVENTS.name, DEAD_LETTERS.name)}
    mirror = ItemMirror(table_of(0), wide)
    mirror.start()
    try:
        assert mirror.wait_ready(60.0)
        assert (mirror.contents_applied, mirror.records_skipped) == (sent[ITEM_CONTENT.name], 1)
    finally:
        mirror.stop()
    assert len(list(read_events(wide))) == sent[EVENTS.name]
    assert set(recent_users(wide, 4)) == {"u0", "u1", "u2", "u3"}
    item_ids = {f"{codec}-0" for codec in CODECS}
    assert set(read_texts(wide, item_ids, time.time()).vectors) == item_ids
    assert len(read_letters(wide)) == sent[DEAD_LETTERS.name]
    for command in (["dead-letters", "list"], ["topics"], ["offsets", "list"]):
        done = headwater(wide, *command)
        assert done.status == 0, done.error


def test_a_receipt_is_found_among_batches_of_every_codec(wide: KafkaSettings, tmp_path: Path) -> None:
    """`headwater forget` reads the receipts from the beginning, past a bomb."""
    _send(wide, ERASURES.name)
    store = StoreSettings(directory=tmp_path / "store")
    apply(store)
    with running_worker("streams.workers.features", environment_of(wide, store, tmp_path), tmp_path / "features.log"):
        assert forget(wide, "u1", wait_seconds=120.0).user_id == "u1"
