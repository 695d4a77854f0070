"""Contributions to a prediction: they add up, and name what was really used."""

from collections.abc import Callable

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.attribution import attribute
from training.batch import Batch
from training.model import ModelConfig, Recommender
from training.trainer import Trainer, TrainerConfig

Stream = Callable[..., list[Batch]]


@pytest.fixture(scope="module")
def learned(vocabulary: Vocabulary, stream: Stream) -> Recommender:
    """A model of the stream whose labels follow the second feature."""
    trainer = Trainer(TrainerConfig(model=ModelConfig(text_dimension=24, width=8)), vocabulary, seed=0)
    for batch in stream(200):
        trainer.learn(batch)
    return trainer.model.eval().requires_grad_(False)


def single(batch: Batch, at: int) -> Batch:
    return batch.rows(torch.tensor([at]))


def test_contributions_sum_to_what_sets_the_prediction_apart(learned: Recommender, stream: Stream) -> None:
    """Features, the item's text and the history together make the way from the baseline to the prediction, for every task."""
    [batch] = stream(1, size=8, seed=5)
    for at in range(8):
        one = single(batch, at)
        found = attribute(learned, one, steps=256)
        torch.testing.assert_close(found.values_T, learned.predict(one)[0])
        total_T = found.features_TF.sum(1) + found.item_T + found.history_TN.sum(1)
        torch.testing.assert_close(total_T, found.values_T - found.baseline_T, rtol=0.02, atol=0.01)


def test_the_past_of_a_new_user_contributes_nothing(learned: Recommender, stream: Stream) -> None:
    """The model does not look at it, so nothing on the way to it may count."""
    one = single(stream(1, size=1, seed=5)[0], 0)
    one.x_BF[:, learned.of_past_F] = 50.0
    one.x_BF[:, learned.vocabulary.features.index("user_known")] = 0.0
    found = attribute(learned, one, steps=256)
    assert not found.features_TF[:, learned.of_past_F].any()
    total_T = found.features_TF.sum(1) + found.item_T + found.history_TN.sum(1)
    torch.testing.assert_close(total_T, found.values_T - found.baseline_T, rtol=0.02, atol=0.01)


def test_feature_that_labels_follow_contributes_most(learned: Recommender, stream: Stream) -> None:
    """Over many examples, for every kind of task."""
    [batch] = stream(1, size=16, seed=6)
    weight_TF = torch.stack([attribute(learned, single(batch, at)).features_TF.abs() for at in range(16)]).mean(0)
    assert weight_TF.argmax(1).tolist() == [1, 1, 1]


def test_empty_places_of_the_history_contribute_nothing(learned: Recommender, stream: Stream) -> None:
    """What is masked has no part."""
    one = single(stream(1, size=1, seed=7)[0], 0)
    found = attribute(learned, one)
    assert not found.history_TN[:, ~one.history_mask_BN[0]].any()


def test_several_examples_are_refused(learned: Recommender, stream: Stream) -> None:
    """A contribution belongs to one prediction."""
    with pytest.raises(ValueError, match="has 4 examples"):
        attribute(learned, stream(1, size=4)[0])
