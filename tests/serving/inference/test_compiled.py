"""A recorded model: what it predicts is what the model itself does, for every kind of trunk and any number of candidates."""

import numpy as np
import pytest
import torch

from feature_repo.assembly.assemble import assemble
from serving.inference.compiled import compiled
from serving.inference.scoring import candidates_batch
from tests.serving.worlds import DIMENSIONS, ITEMS, NOW, VOCABULARY, filled_table, trained_model, user_row
from training.model import ModelConfig, Recommender
from training.trunks import TRUNKS, TrunkName


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_predicts_the_same_when_recorded(trunk: TrunkName) -> None:
    """One candidate or many, with a history or without."""
    torch.manual_seed(0)
    model = Recommender(ModelConfig(text_dimension=DIMENSIONS, trunk=trunk), VOCABULARY).eval()
    check_same(model)


def test_what_a_model_has_learned_is_recorded() -> None:
    """Scales, calibration and weights that are not those of the start."""
    check_same(trained_model())


def test_models_of_one_shape_share_a_recording_and_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch keeps recordings for good: one for each model that takes over would fill the memory."""
    one, other = trained_model(), trained_model(seed=1)
    table = filled_table()
    batch = candidates_batch(assemble(user_row(), table, np.arange(8) % ITEMS, NOW), table)
    first = compiled(one)
    monkeypatch.setattr(torch.jit, "trace", None)
    second = compiled(other)
    assert not torch.equal(first(batch), second(batch))
    torch.testing.assert_close(first(batch), one.predict(batch), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(second(batch), other.predict(batch), rtol=1e-6, atol=1e-7)


def check_same(model: Recommender) -> None:
    table, predict = filled_table(), compiled(model)
    for count in (1, 2, 8, 500):
        for row in (user_row(), user_row(liked=())):
            batch = candidates_batch(assemble(row, table, np.arange(count) % ITEMS, NOW), table)
            torch.testing.assert_close(predict(batch), model.predict(batch), rtol=1e-6, atol=1e-7)
