"""Conformance suite: what must hold for every trunk, head and balancing, whatever is configured."""

import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import torch

from training.batch import Batch
from training.storage.snapshots import SnapshotStore
from training.trainer import Trainer

__all__ = ["CHECKS", "Build", "assert_same_state"]

Build = Callable[[], Trainer]
"""Makes a fresh trainer, the same one each time."""


def check_inputs_unmutated(build: Build, batch: Batch) -> None:
    """Scoring and learning leave the batch as it was."""
    before = {field.name: getattr(batch, field.name).clone() for field in fields(batch)}
    trainer = build()
    trainer.model.predict(batch)
    trainer.learn(batch)
    for name, tensor in before.items():
        assert torch.equal(tensor.nan_to_num(), getattr(batch, name).nan_to_num()), f"{name} was changed"


def check_prediction_changes_nothing(build: Build, batch: Batch) -> None:
    """Scoring leaves weights and running statistics as they were."""
    trainer = build()
    trainer.learn(batch)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.model.predict(batch)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.model.state_dict().items())


def check_missing_features_tolerated(build: Build, batch: Batch) -> None:
    """Unknown features, items without text, empty histories and unknown labels give finite scores and finite weights."""
    bare = replace(
        batch,
        x_BF=torch.full_like(batch.x_BF, torch.nan),
        item_B=torch.zeros_like(batch.item_B),
        history_mask_BN=torch.zeros_like(batch.history_mask_BN),
        labels_BT=torch.full_like(batch.labels_BT, torch.nan),
    )
    trainer = build()
    for given in (bare, batch, bare):
        report = trainer.learn(given)
        assert not report.skipped
        assert report.predictions_BT.isfinite().all()
        assert trainer.model.predict(given).isfinite().all()
    assert all(weight.isfinite().all() for weight in trainer.model.parameters())


def check_masked_history_is_ignored(build: Build, batch: Batch) -> None:
    """What stands in empty places of the history does not reach the score."""
    trainer = build()
    trainer.learn(batch)
    masked = replace(batch, history_mask_BN=torch.zeros_like(batch.history_mask_BN))
    scribbled = replace(masked, history_values_BNS=masked.history_values_BNS + 7.0)
    assert torch.equal(trainer.model.predict(masked), trainer.model.predict(scribbled))


def check_scored_before_learned(build: Build, batch: Batch) -> None:
    """A report's predictions are those of the model before it saw the batch's labels, the very first batch included."""
    for seen in (0, 1):
        ones, zeros = build(), build()
        for trainer in (ones, zeros)[: 2 * seen]:
            trainer.learn(batch)
        reports = [
            trainer.learn(replace(batch, labels_BT=torch.full_like(batch.labels_BT, label)))
            for trainer, label in ((ones, 1.0), (zeros, 0.0))
        ]
        assert torch.equal(reports[0].predictions_BT, reports[1].predictions_BT)
        assert not torch.equal(ones.model.predict(batch), zeros.model.predict(batch))


def check_seeded_runs_equal(build: Build, batch: Batch) -> None:
    """Two runs from the same seed over the same batches end in the same state, bit for bit."""
    first, second = build(), build()
    for trainer in (first, second):
        for _ in range(3):
            trainer.learn(batch)
    assert_same_state(first.state_dict(), second.state_dict())


def check_resumed_run_equals_the_uninterrupted_one(build: Build, batch: Batch) -> None:
    """Saving, loading into a fresh trainer and going on gives the same state, bit for bit."""
    whole, first, second = build(), build(), build()
    for _ in range(4):
        whole.learn(batch)
    for _ in range(2):
        first.learn(batch)
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        second.learn(batch)
    assert_same_state(second.state_dict(), whole.state_dict())


def check_snapshot_round_trip(build: Build, batch: Batch) -> None:
    """A published and loaded model predicts the same, bit for bit."""
    trainer = build()
    trainer.learn(batch)
    with tempfile.TemporaryDirectory() as directory:
        store = SnapshotStore(Path(directory), clock=lambda: 0.0)
        version = store.publish(trainer.model, encoder_version="none", examples=trainer.examples, metrics={}).version
        assert torch.equal(store.load(version).model.predict(batch), trainer.model.predict(batch))


def check_no_harm_from_bad_batches(build: Build, batch: Batch) -> None:
    """A batch with an infinite label is scored, skipped and counted; all state stays as it was."""
    for seen in (0, 1):
        trainer, untouched = build(), build()
        for one in (trainer, untouched)[: 2 * seen]:
            one.learn(batch)
        random = torch.get_rng_state()
        bad = replace(batch, labels_BT=torch.full_like(batch.labels_BT, torch.inf))
        report = trainer.learn(bad)
        assert report.skipped
        assert trainer.skipped == 1
        assert trainer.examples == untouched.examples
        states = trainer.state_dict(), untouched.state_dict()
        for part in ("model", "balancing", "optimizer"):
            assert_same_state(states[0][part], states[1][part])
        assert torch.equal(random, torch.get_rng_state())


CHECKS: tuple[Callable[[Build, Batch], None], ...] = (
    check_inputs_unmutated,
    check_prediction_changes_nothing,
    check_missing_features_tolerated,
    check_masked_history_is_ignored,
    check_scored_before_learned,
    check_seeded_runs_equal,
    check_resumed_run_equals_the_uninterrupted_one,
    check_snapshot_round_trip,
    check_no_harm_from_bad_batches,
)
"""Each takes a builder and a batch of at least 8 labelled examples, and raises AssertionError where something does not hold."""


def assert_same_state(first: object, second: object) -> None:
    """Two states are equal bit for bit, through dicts and lists; NaN equals NaN."""
    assert type(first) is type(second)
    if isinstance(first, dict) and isinstance(second, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_same_state(value, second[key])
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same_state(one, other)
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        assert torch.equal(first.isnan(), second.isnan())
        assert torch.equal(first.nan_to_num(), second.nan_to_num())
    else:
        assert first == second
