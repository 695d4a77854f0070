"""Predictions from assembled features: as the learner would make them, and by priors without a model."""

import numpy as np
import pytest
import torch

from feature_repo.assembly.assemble import assemble
from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.rows import UserRow
from serving.inference.compiled import compiled
from serving.inference.scoring import candidates_batch, predict, where_applicable
from serving.timing import Stopwatch
from tests.serving.worlds import NOW, VOCABULARY, filled_table, user_row
from training.batch import make_batch
from training.ids import hashes
from training.model import ModelConfig, Recommender
from training.trainer import Trainer, TrainerConfig


@pytest.mark.parametrize("liked", [(), ("i3", "gone", "i11")])
def test_server_and_learner_predict_the_same(model: Recommender, liked: tuple[str, ...]) -> None:
    """The batch that the server builds for one user scores as the learner's does, unknown items and holes included."""
    table, row = filled_table(), user_row(liked=liked)
    rows_B = table.rows(["i0", "nope", "i7", "i0"])
    made = assemble(row, table, rows_B, NOW)
    learner = make_batch(
        features=made.x_BF,
        item_rows=rows_B,
        history_rows=[made.history_rows_N] * 4,
        history_values=[made.history_values_NT1] * 4,
        vectors=table.vectors,
        tasks=len(VOCABULARY.tasks),
    )
    torch.testing.assert_close(model.predict(candidates_batch(made, table)), model.predict(learner))


def test_server_and_learner_give_an_id_the_same_vector() -> None:
    """Of the user and of each candidate; an unknown item has none, and without the user's id nobody has."""
    table, row = filled_table(), user_row()
    rows_B = table.rows(["i0", "nope", "i7"])
    made = assemble(row, table, rows_B, NOW)
    config = TrainerConfig(model=ModelConfig(text_dimension=table.dimensions, id_rows=64), learning_rate=0.01)
    trainer = Trainer(config, VOCABULARY, seed=0)
    batch = make_batch(
        features=made.x_BF,
        item_rows=rows_B,
        history_rows=[made.history_rows_N] * 3,
        history_values=[made.history_values_NT1] * 3,
        vectors=table.vectors,
        labels=np.array([[1.0, 2.0, 5.0], [0.0, 1.0, 3.0], [0.0, 1.0, 1.0]]),
        ids=hashes((row.user_id, item_id, NOW) for item_id in ("i0", "", "i7")),
        tasks=len(VOCABULARY.tasks),
    )
    for _ in range(20):
        trainer.learn(batch)
    model = trainer.model.eval()
    served = candidates_batch(made, table, row.user_id)
    torch.testing.assert_close(model.predict(served), model.predict(batch))
    torch.testing.assert_close(compiled(model)(served), model.predict(batch))
    assert (model.predict(candidates_batch(made, table)) - model.predict(batch)).abs().max() > 1e-3


def test_without_a_model_an_item_gets_its_running_means_in_the_users_units() -> None:
    """Not zero, not log-seconds: what the item usually gets."""
    table = filled_table()
    counters_CH = np.zeros((len(VOCABULARY.counters), len(HALF_LIFE_NAMES)))
    counters_CH[2:] = np.array([1000, 1000, 1000, 300, 1000 * np.log1p(60.0), 4200])[:, None]
    table.set_activity("i0", NOW, counters_CH)
    rows_B = table.rows(["i0"])
    values_BT = predict(UserRow.empty("new", VOCABULARY), table, rows_B, NOW, None, Stopwatch()).values_BT
    np.testing.assert_allclose(values_BT, [[0.3, 60.0, 4.2]], rtol=0.02)


def test_task_about_other_types_says_nothing() -> None:
    """A song has no reading time; an item of unknown type may have."""
    values_BT = where_applicable(np.ones((3, 3), dtype=np.float32), filled_table(), np.array([0, 1, -1]))
    assert np.isnan(values_BT).tolist() == [[False, False, False], [False, True, False], [False, False, False]]
