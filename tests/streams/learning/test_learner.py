"""Learning from the examples log: order, repeats, restarts, what is published."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_repo.items.table import ItemTable
from headwater.internal.v1.streams_pb2 import Example
from headwater.v1.topics import EXAMPLES
from runtime.record import Record
from streams.learning.examples import batch_of
from streams.learning.learner import Learned, Learner
from streams.learning.predictions import PredictionsFile
from streams.learning.settings import LearnerSettings
from tests.feature_repo.worlds import VOCABULARY, at_offset, table_of
from training.model import ModelConfig
from training.release.champion_challenger import ChampionChallenger
from training.release.guard import Guard
from training.release.promotion import PromotionError, PromotionNotes
from training.storage import SupersededError
from training.storage.checkpoints import CheckpointFile
from training.storage.snapshots import SnapshotStore
from training.trainer import Trainer, TrainerConfig

TASKS = len(VOCABULARY.tasks)
CONFIG = TrainerConfig(model=ModelConfig(text_dimension=6, width=4, hidden=(8,)), replay_capacity=64)
EAGER = replace(CONFIG, learning_rate=3e-3, replay_capacity=1024)
TASK_NAMES = [task.name for task in VOCABULARY.tasks]


def record(offset: int, *, source: int | None = None, features: float | None = None, poisoned: bool = False) -> Record:
    random = np.random.default_rng(offset if source is None else source)
    values = random.normal(size=len(VOCABULARY.features)).astype(np.float32)
    example = Example(
        user_id=f"u{offset % 3}",
        item_id=f"i{offset % 8}",
        shown_at=1000.0 + offset,
        fingerprint=VOCABULARY.fingerprint,
        features=values if features is None else [features] * len(values),
        history_item_ids=["i1", "i2"],
        history_values=random.normal(size=2 * (TASKS + 1)),
        labels=[float((values[0] > 0) != poisoned), float("nan"), float((values[1] > 0) != poisoned)],
    )
    example.source.CopyFrom(at_offset(offset if source is None else source))
    return Record(topic=EXAMPLES.name, partition=0, offset=offset, key=b"u", value=example.SerializeToString(), appended_at=0.0)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_learner(
    directory: Path,
    clock: Callable[[], float],
    *,
    log: int = 1,
    config: TrainerConfig = CONFIG,
    challenger: TrainerConfig | None = None,
    **settings: object,
) -> Learner:
    values = {
        "batch_size": 4,
        "first_publish_examples": 8,
        "judge_examples": 4,
        "publish_seconds": 10.0,
        "checkpoint_seconds": 10.0,
    } | settings
    made = LearnerSettings(**values)  # type: ignore[arg-type]  # each test gives values of the right types

    def guard(recipe: TrainerConfig) -> Guard:
        return Guard(Trainer(recipe, VOCABULARY, seed=3), made.guard(), seed=3)

    learner = Learner(
        made,
        make_contest=lambda: ChampionChallenger(guard(config), guard(challenger) if challenger else None),
        table=table_of(),
        snapshots=SnapshotStore(directory / "snapshots", clock=lambda: 0.0),
        checkpoint=CheckpointFile(directory / "checkpoint"),
        encoder_version="test",
        notes=PromotionNotes(str(directory / "snapshots")),
        monotonic=clock,
        predictions=PredictionsFile(directory / "predictions.jsonl", TASK_NAMES),
    )
    learner.resume(log)
    return learner


def _weights(directory: Path) -> dict[str, torch.Tensor]:
    state = CheckpointFile(directory / "checkpoint").load()
    assert state is not None
    weights: dict[str, torch.Tensor] = state["contest"]["guards"][0]["state"]["trainer"]["model"]
    return weights


def _lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "predictions.jsonl").read_text().splitlines()]


def test_a_killed_learner_ends_in_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    """Cuts, repeats and kills between checkpoints must leave no trace in weights or predictions."""
    records = [record(offset) for offset in range(42)]
    clean, rough, clock = tmp_path / "clean", tmp_path / "rough", Clock()
    learner = make_learner(clean, clock)
    learner.learn(records)
    learner.settle(leaving=True)

    learner = make_learner(rough, clock, checkpoint_examples=8)
    read = 0
    for size, killed in ((3, False), (7, True), (1, False), (12, True), (2, True), (9, False), (13, True), (42, False)):
        learner.learn(records[read : read + size])
        settled = learner.settle()
        if killed:
            learner = make_learner(rough, clock, checkpoint_examples=8)
        # The group goes back to what was acknowledged at some time before: always to the beginning is the worst case.
        read = 0 if killed else read + size
        assert settled.position is None or settled.position <= 42
    learner.learn(records)
    learner.settle(leaving=True)
    assert _lines(rough) == _lines(clean)
    assert len(_lines(clean)) == 40, "two examples wait for a full batch"
    for name, weight in _weights(clean).items():
        assert torch.equal(weight, _weights(rough)[name]), name


def _shown(offset: int, *, of: int) -> Record:
    """The impression that record number `of` labels, told of at this offset."""
    example = Example.FromString(record(of).value or b"")
    example.labels[:] = [float("nan")] * TASKS
    example.source.CopyFrom(at_offset(10_000 + of))
    return Record(topic=EXAMPLES.name, partition=0, offset=offset, key=b"u", value=example.SerializeToString(), appended_at=0.0)


def _labelled(offset: int, *, of: int) -> Record:
    """Its label, which comes a while after."""
    example = Example.FromString(record(of).value or b"")
    example.labelled_at = example.shown_at + 60.0
    example.source.CopyFrom(at_offset(20_000 + of))
    return Record(topic=EXAMPLES.name, partition=0, offset=offset, key=b"u", value=example.SerializeToString(), appended_at=0.0)


def test_figures_are_of_predictions_made_when_items_were_shown(tmp_path: Path) -> None:
    """By the weights of then, whether the label comes soon or late; a kill in between changes neither them nor the weights."""
    shown = [_shown(offset, of=100 + offset) for offset in range(8)]
    between = [record(8 + number, source=number) for number in range(64)]
    labels = [_labelled(72 + number, of=100 + number) for number in range(8)]
    records = [*shown, *between, *labels]
    clean, rough, clock = tmp_path / "clean", tmp_path / "rough", Clock()
    learner = make_learner(clean, clock, config=EAGER)
    untrained = learner._guard.trainer.model
    learner.learn(shown)
    learner._predict_shown()
    expected = untrained.answers(
        untrained(batch_of([Example.FromString(one.value or b"") for one in shown], learner._table))
    ).tolist()
    learner.learn([*between, *labels])
    learner.settle(leaving=True)
    lines = _lines(clean)[-8:]
    for line, answers in zip(lines, expected, strict=True):
        assert line["predictions"] == pytest.approx(dict(zip(TASK_NAMES, answers, strict=True)), rel=1e-5)

    learner, read = make_learner(rough, clock, config=EAGER, checkpoint_examples=8), 0
    for size in (5, 20, 11, 30, 9):
        learner.learn(records[read : read + size])
        learner.settle()
        read += size
        learner = make_learner(rough, clock, config=EAGER, checkpoint_examples=8)
        learner.learn(records[:read])
    learner.learn(records)
    learner.settle(leaving=True)
    assert _lines(rough) == _lines(clean)
    for name, weight in _weights(clean).items():
        assert torch.equal(weight, _weights(rough)[name]), name


def test_a_label_whose_impression_is_forgotten_is_learned_and_not_judged(tmp_path: Path) -> None:
    """It counts as unjudged, and the figures do without it."""
    learner = make_learner(tmp_path, Clock())
    learned = learner.learn([_labelled(number, of=100 + number) for number in range(4)])
    assert (learned.examples, learned.unjudged) == (4, 8), "two labels each"
    learner.settle(leaving=True)
    assert [line["predictions"] for line in _lines(tmp_path)] == [{}] * 4


def test_the_order_in_which_items_were_read_leaves_no_trace_in_the_weights(tmp_path: Path) -> None:
    """After a restart the table numbers its items otherwise; sums of another order would differ in their last bits."""
    records = [record(offset) for offset in range(40)]
    found = []
    for name, turned in (("once", False), ("turned", True)):
        learner = make_learner(tmp_path / name, Clock())
        if turned:
            read = table_of()
            other = ItemTable(VOCABULARY, dimensions=read.dimensions)
            for row in reversed(range(len(read))):
                item = read.content[row]
                assert item is not None
                other.set_content(item, read.vectors[row])
            assert not np.array_equal(read.vectors[: len(read)], other.vectors[: len(read)])
            learner._table = other
        learner.learn(records)
        learner.settle(leaving=True)
        found.append(_weights(tmp_path / name))
    for name, weight in found[0].items():
        assert torch.equal(weight, found[1][name]), name


def test_an_example_published_twice_is_learned_once(tmp_path: Path) -> None:
    """A user agent that was killed publishes its last examples again, at new offsets."""
    clock = Clock()
    learner = make_learner(tmp_path, clock)
    learned = learner.learn([record(0), record(1), record(2, source=0), record(3, source=1), record(4), record(5)])
    assert (learned.examples, learned.duplicates) == (4, 2)
    learner.settle(leaving=True)
    again = make_learner(tmp_path, clock).learn([record(6, source=1), record(7)])
    assert (again.duplicates, again.unusable) == (1, 0)


def test_examples_of_other_tasks_or_with_broken_values_are_counted_and_passed_over(tmp_path: Path) -> None:
    """One infinity would cost the whole batch."""
    foreign = Record(
        topic=EXAMPLES.name, partition=0, offset=0, key=b"u", value=Example(user_id="u").SerializeToString(), appended_at=0.0
    )
    garbage = Record(topic=EXAMPLES.name, partition=0, offset=1, key=b"u", value=b"\xff", appended_at=0.0)
    learned = make_learner(tmp_path, Clock()).learn(
        [foreign, garbage, record(2, features=float("inf")), *map(record, range(3, 7))]
    )
    assert (learned.unusable, learned.examples, learned.skipped_batches) == (3, 4, 0)


def test_only_what_a_checkpoint_holds_may_be_acknowledged(tmp_path: Path) -> None:
    """Acknowledging more would lose examples at a kill."""
    clock = Clock()
    learner = make_learner(tmp_path, clock)
    learner.learn([record(offset) for offset in range(6)])
    assert learner.settle().position is None
    clock.now += 10.0
    assert learner.settle().position == 4


def test_snapshots_are_published_when_due(tmp_path: Path) -> None:
    """The first after enough examples, then by time and only with news; the metrics come along."""
    clock, store = Clock(), SnapshotStore(tmp_path / "snapshots", clock=lambda: 0.0)
    learner = make_learner(tmp_path, clock, judged_examples=8)
    learner.learn([record(offset) for offset in range(4)])
    assert not learner.settle().published
    learner.learn([record(offset) for offset in range(4, 8)])
    assert learner.settle().published
    learner.learn([record(offset) for offset in range(8, 12)])
    assert not learner.settle().published, "not due yet"
    clock.now += 10.0
    settled = learner.settle()
    assert settled.published
    assert set(settled.qualities) == {"recent", "all"}
    clock.now += 10.0
    assert not learner.settle().published, "nothing was learned since"
    assert store.current() == 2


def test_a_poisoned_burst_is_refused_and_the_served_model_does_not_move(tmp_path: Path) -> None:
    """Contrary labels for a while: counted with their reason, nothing new is published, and learning goes on from before."""
    clock, store = Clock(), SnapshotStore(tmp_path / "snapshots", clock=lambda: 0.0)
    learner = make_learner(
        tmp_path, clock, config=EAGER, batch_size=16, first_publish_examples=256, judge_examples=128, held_out_share=0.2
    )

    def pass_by(offsets: range, *, poisoned: bool = False) -> Learned:
        learned = learner.learn([record(offset, poisoned=poisoned) for offset in offsets])
        clock.now += 10.0
        learner.settle()
        return learned

    assert pass_by(range(3968)).objections == []
    served = store.current()
    assert served is not None
    refused = pass_by(range(3968, 4352), poisoned=True)
    assert {(objection.task, objection.reason) for objection in refused.objections} == {("click", "surprise")}
    assert refused.undone == 384
    assert store.current() == served
    assert pass_by(range(4352, 4736)).objections == []
    assert store.current() == served + 1


@pytest.mark.parametrize("forged", [3e38, 1e15, -1e15])
def test_forged_features_cost_neither_examples_nor_snapshots(tmp_path: Path, forged: float) -> None:
    """One impression of an interval with features and history of a caller's making: nothing is refused or undone, and what is
    published has the mean and spread of the others' features."""
    clock, moments = Clock(), {}
    for name in ("clean", "forged"):
        directory = tmp_path / name
        learner = make_learner(directory, clock, config=EAGER, batch_size=16, first_publish_examples=256, judge_examples=128)
        for start in range(0, 1024, 128):
            records = [record(offset) for offset in range(start, start + 128)]
            if name == "forged":
                records[40] = _with_features(records[40], forged)
            learned = learner.learn(records)
            assert (learned.objections, learned.undone, learned.skipped_batches, learned.unusable) == ([], 0, 0, 0)
            clock.now += 10.0
            settled = learner.settle()
            assert settled.published == (start >= 128), name
            assert all(
                quality.rmse < 10.0 for quality in settled.qualities.get("all", {}).values() if quality.rmse == quality.rmse
            )
        store = SnapshotStore(tmp_path / name / "snapshots", clock=lambda: 0.0)
        moments[name] = store.load(store.current() or 0).model.features
    np.testing.assert_allclose(moments["forged"].deviation, moments["clean"].deviation, rtol=0.5)
    np.testing.assert_allclose(moments["forged"].mean, moments["clean"].mean, atol=0.2)


def _with_features(record: Record, value: float) -> Record:
    """The record with every feature, history value and served prediction set to one number."""
    example = Example.FromString(record.value or b"")
    example.features[:] = [value] * len(example.features)
    example.history_values[:] = [value] * len(example.history_values)
    example.predictions[:] = [value] * TASKS
    return record._replace(value=example.SerializeToString())


def test_a_challenger_is_promoted_by_a_note_once(tmp_path: Path) -> None:
    """Its weights are published at the next occasion; a restart neither forgets nor repeats it."""
    clock, store = Clock(), SnapshotStore(tmp_path / "snapshots", clock=lambda: 0.0)
    notes = PromotionNotes(str(tmp_path / "snapshots"))
    with pytest.raises(PromotionError, match="no challenger"):
        notes.request()

    def started() -> Learner:
        return make_learner(tmp_path, clock, challenger=replace(CONFIG, learning_rate=1e-3))

    def learn(learner: Learner, offsets: range) -> None:
        learner.learn([record(offset) for offset in offsets])
        clock.now += 10.0
        learner.settle()

    learner = started()
    learn(learner, range(32))
    assert set(notes.standing().comparisons) == {"click", "like"}
    assert "0.0005" in notes.request().champion
    learn(learner, range(32, 48))
    assert (notes.standing().promotions, "0.001" in notes.standing().champion) == (1, True)
    version = store.current()
    learner = started()
    learn(learner, range(48, 64))
    assert (notes.standing().promotions, "0.001" in notes.standing().champion) == (1, True)
    assert store.current() == (version or 0) + 1


def test_a_recreated_examples_topic_is_learned_from_its_beginning(tmp_path: Path) -> None:
    """Its offsets start from 0 again and must not be taken for repeats; what was learned stays."""
    clock = Clock()
    learner = make_learner(tmp_path, clock)
    learner.learn([record(offset) for offset in range(8)])
    learner.settle(leaving=True)
    learned = make_learner(tmp_path, clock, log=2).learn([record(offset, source=100 + offset) for offset in range(4)])
    assert learned.examples == 4


def test_a_gap_in_the_examples_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No checkpoint but committed offsets: the heads miss what was learned before."""
    make_learner(tmp_path, Clock()).learn([record(7)])
    assert "examples_missing" in capsys.readouterr().out


def test_a_learner_that_thaws_after_another_took_over_changes_nothing(tmp_path: Path) -> None:
    """Its checkpoint and its model are older than what the other has written since."""
    clock = Clock()
    old = make_learner(tmp_path, clock, checkpoint_examples=8)
    old.learn([record(offset) for offset in range(16)])
    new = make_learner(tmp_path, clock, checkpoint_examples=8)
    new.learn([record(offset) for offset in range(32)])
    clock.now = 20.0
    assert new.settle().published
    written, snapshots = _weights(tmp_path), SnapshotStore(tmp_path / "snapshots", clock=lambda: 0.0)
    with pytest.raises(SupersededError):
        old.settle(leaving=True)
    assert snapshots.list()[-1].examples == snapshots.manifest(snapshots.current() or 0).examples
    for name, weight in _weights(tmp_path).items():
        assert torch.equal(weight, written[name]), name


def test_what_could_not_be_published_is_published_when_the_storage_answers_again(tmp_path: Path) -> None:
    """A moment without the object store costs a moment: neither the learner ends, nor is a model left out."""
    clock = Clock()
    learner = make_learner(tmp_path, clock)
    learner.learn([record(offset) for offset in range(16)])
    clock.now = 20.0
    snapshots = tmp_path / "snapshots"
    snapshots.mkdir(exist_ok=True)
    moved = snapshots.rename(tmp_path / "moved")
    snapshots.touch()  # a file where the directory was: as a mount that is gone, nothing can be written there
    with pytest.raises(OSError, match="snapshots"):
        learner.settle()
    snapshots.unlink()
    moved.rename(snapshots)
    assert learner.settle().published
