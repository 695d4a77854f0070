"""Tests learning: that it learns, resumes bit for bit, and refuses what it cannot use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.checks import assert_same_state
from training.losses import task_losses
from training.model import ModelConfig
from training.storage.checkpoints import CheckpointFile
from training.trainer import Trainer, TrainerConfig, TrainerError

Stream = Callable[..., list[Batch]]
CONFIG = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), learning_rate=2e-3, replay_capacity=128)


def test_learning_beats_the_constant(vocabulary: Vocabulary, stream: Stream) -> None:
    """After some hundred batches, scores made before learning are far better than the mean label."""
    trainer = Trainer(CONFIG, vocabulary, seed=0)
    reports = [trainer.learn(batch) for batch in stream(400)][-100:]
    labels_BT = torch.cat([report.labels_BT for report in reports])
    predictions_BT = torch.cat([report.predictions_BT for report in reports])
    binary_T, ones_T, none_BT = trainer.model.binary_T, torch.ones(3), torch.full_like(labels_BT, torch.nan)
    outputs_BT = torch.where(binary_T, predictions_BT.logit(), predictions_BT)
    means_T = labels_BT.nanmean(0)
    constant_BT = torch.where(binary_T, means_T.logit(), means_T).expand_as(labels_BT)
    learned_T = task_losses(outputs_BT, labels_BT, none_BT, binary_T=binary_T, deviation_T=ones_T)
    constant_T = task_losses(constant_BT, labels_BT, none_BT, binary_T=binary_T, deviation_T=ones_T)
    assert (learned_T < 0.7 * constant_T).all(), (learned_T, constant_T)


def test_resumed_run_equals_the_uninterrupted_one(vocabulary: Vocabulary, stream: Stream, tmp_path: Path) -> None:
    """Learning 20 batches, or 12, saving to a file, loading into a fresh trainer and 8 more, gives the same bits."""
    batches = stream(20)
    whole, first, second = (Trainer(CONFIG, vocabulary, seed=seed) for seed in (5, 5, 99))
    for batch in batches:
        whole.learn(batch)
    for batch in batches[:12]:
        first.learn(batch)
    file = CheckpointFile(tmp_path / "learner.checkpoint")
    file.claim()
    file.save(first.state_dict())
    state = file.load()
    assert state is not None
    second.load_state_dict(state)
    for batch in batches[12:]:
        second.learn(batch)
    assert_same_state(whole.state_dict(), second.state_dict())


def test_saved_state_does_not_follow_later_learning(vocabulary: Vocabulary, stream: Stream) -> None:
    """A state taken before more learning is the state of that moment."""
    batches = stream(4)
    trainer, still = Trainer(CONFIG, vocabulary, seed=1), Trainer(CONFIG, vocabulary, seed=1)
    for one in (trainer, still):
        one.learn(batches[0])
    state = trainer.state_dict()
    for batch in batches[1:]:
        trainer.learn(batch)
    assert_same_state(state, still.state_dict())


def test_fresh_model_predicts_the_means_it_has_seen(vocabulary: Vocabulary, stream: Stream) -> None:
    """After one batch, predictions for usual features lie near the batch's mean labels, far from zero."""
    trainer = Trainer(CONFIG, vocabulary, seed=0)
    batch = stream(1, size=64)[0]
    trainer.learn(batch)
    usual = replace(batch, x_BF=torch.full_like(batch.x_BF, torch.nan))
    stars_B = trainer.model.predict(usual)[:, 2]
    assert (stars_B - batch.labels_BT[:, 2].nanmean()).abs().max() < 0.2


def test_building_a_trainer_leaves_the_global_generator(vocabulary: Vocabulary) -> None:
    """The seed is the trainer's own: other users of torch's generator see no change."""
    before = torch.get_rng_state()
    Trainer(CONFIG, vocabulary, seed=7)
    assert torch.equal(before, torch.get_rng_state())


def test_state_of_other_tasks_is_refused(vocabulary: Vocabulary) -> None:
    """A checkpoint of another vocabulary is named as such, with what to do."""
    other = Vocabulary(parse_tasks('[tasks.like]\nkind = "binary"\nevent = "like"'))
    state = Trainer(CONFIG, other, seed=0).state_dict()
    with pytest.raises(TrainerError, match="restore its tasks file"):
        Trainer(CONFIG, vocabulary, seed=0).load_state_dict(state)


def test_state_of_another_size_is_refused(vocabulary: Vocabulary, stream: Stream) -> None:
    """A checkpoint of a model with other sizes, or of another replay capacity, is refused."""
    trainer = Trainer(CONFIG, vocabulary, seed=0)
    for batch in stream(10):
        trainer.learn(batch)
    for config in (replace(CONFIG, model=replace(CONFIG.model, width=4)), replace(CONFIG, replay_capacity=64)):
        with pytest.raises(TrainerError, match="does not fit"):
            Trainer(config, vocabulary, seed=0).load_state_dict(trainer.state_dict())


def test_empty_batch_is_refused(vocabulary: Vocabulary, stream: Stream) -> None:
    """There is nothing to learn from no example."""
    with pytest.raises(ValueError, match="empty"):
        Trainer(CONFIG, vocabulary, seed=0).learn(stream(1, size=0)[0])
