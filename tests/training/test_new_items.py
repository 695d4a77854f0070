"""Tests examples seen as if their item were new: they look as such an item's do, and learning from them tells new items apart."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_repo.assembly.assemble import assemble
from feature_repo.rows import UserRow
from feature_repo.vocabulary import Vocabulary
from tests.feature_repo.worlds import VOCABULARY, at_offset, event, fold_over, table_of
from training.batch import Batch, make_batch
from training.model import ModelConfig
from training.new_items import NewItems
from training.trainer import Trainer, TrainerConfig


def test_looks_as_an_item_with_which_nothing_was_done() -> None:
    """All features equal those of the same item in a world where its activity is another item's."""
    counters = np.full((len(VOCABULARY.counters), 4), 3.0)
    known, new = table_of(10), table_of(10)
    known.set_activity("i7", 1500.0, counters)
    new.set_activity("i9", 1500.0, counters)
    fold, row = fold_over(table_of(10)), UserRow.empty("u", VOCABULARY)
    for number in range(6):
        fold.fold(row, event("rate", f"i{number}", 1000.0 + number, 5.0 if number % 2 == 0 else 1.0), at_offset(number))
    seen, expected = (assemble(row, table, table.rows(["i7"]), 2000.0).x_BF for table in (known, new))
    assert not np.allclose(seen, expected)
    usual_T = torch.from_numpy(known.priors()).float()
    blind = NewItems(VOCABULARY)(torch.from_numpy(seen), usual_T)
    named = dict(zip(VOCABULARY.features, zip(blind[0].tolist(), expected[0].tolist(), strict=True), strict=True))
    differing = {name: pair for name, pair in named.items() if abs(pair[0] - pair[1]) > 1e-4}
    assert not differing


def test_new_items_are_told_apart_by_their_text() -> None:
    """Where counters say all of known items, a model that saw some of them as new has learned what their texts say too."""
    rng, dimensions = np.random.default_rng(0), 8
    vectors = rng.normal(size=(400, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chance = 1.0 / (1.0 + np.exp(-6.0 * vectors[:, 0]))
    mean, expected, count = (VOCABULARY.features.index(f"like:{name}") for name in ("item_mean", "expected", "item_count_log"))

    def batch(items: np.ndarray, *, new: bool) -> Batch:
        x_BF = np.zeros((len(items), len(VOCABULARY.features)), dtype=np.float32)
        x_BF[:, [mean, expected]] = 0.5 if new else chance[items, None]
        x_BF[:, count] = 0.0 if new else 5.0
        labels_BT = np.full((len(items), 3), np.nan, dtype=np.float32)
        labels_BT[:, 2] = rng.random(len(items)) < chance[items]
        rows, values = [np.empty(0, dtype=np.int64)] * len(items), [np.empty(0, dtype=np.float32)] * len(items)
        return make_batch(
            features=x_BF, item_rows=items, history_rows=rows, history_values=values, vectors=vectors, labels=labels_BT, tasks=3
        )

    errors = {}
    for share in (0.0, 0.5):
        config = TrainerConfig(model=ModelConfig(text_dimension=dimensions, width=8), seen_as_new=share, learning_rate=2e-3)
        trainer = Trainer(config, VOCABULARY, seed=0)
        rng = np.random.default_rng(1)
        for _ in range(150):
            trainer.learn(batch(rng.integers(0, 300, size=32), new=False))
        judged = np.arange(300, 400)
        predicted = trainer.model.predict(batch(judged, new=True))[:, 2].numpy()
        errors[share] = float(np.abs(predicted - chance[judged]).mean())
    assert errors[0.5] < 0.8 * errors[0.0], errors


def test_a_share_outside_0_to_1_is_refused() -> None:
    """The message names the field."""
    with pytest.raises(ValueError, match="seen_as_new"):
        TrainerConfig(seen_as_new=1.5)


def test_a_batch_and_the_ring_stay_as_they_are(vocabulary: Vocabulary, stream: Callable[..., list[Batch]]) -> None:
    """What is replayed later is what came."""
    batch = stream(1)[0]
    config = TrainerConfig(model=ModelConfig(text_dimension=batch.vectors_VD.shape[1]), seen_as_new=1.0)
    trainer = Trainer(config, vocabulary, seed=0)
    before = replace(batch, x_BF=batch.x_BF.clone())
    for _ in range(3):
        trainer.learn(batch)
    assert torch.equal(batch.x_BF, before.x_BF)
    assert torch.equal(trainer.state_dict()["replay"]["ring"]["x"], torch.cat([batch.x_BF] * 3))
