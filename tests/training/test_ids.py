"""Learned vectors by id: they tell apart what features cannot, ids that collide stay apart, and what is not seen makes room."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.checks import assert_same_state
from training.ids import IdEmbedding, hashed_item, hashed_user
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

Stream = Callable[..., list[Batch]]
CONFIG = TrainerConfig(model=ModelConfig(text_dimension=24, width=4, hidden=(16,)), learning_rate=5e-3)
WITH_IDS = replace(CONFIG, model=replace(CONFIG.model, id_rows=512, id_width=4))
DAY = 86_400


def _ids(*rows: Sequence[int]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.int64)


def _table(rows: int = 8) -> IdEmbedding:
    return IdEmbedding(rows, 2, days=1.0)


def test_items_alike_in_all_but_their_id_are_told_apart(vocabulary: Vocabulary, stream: Stream) -> None:
    """Odd items are liked and even ones are not; nothing but the id says which is which."""

    def odd(batch: Batch) -> Batch:
        liked_B1 = (batch.ids_B3[:, 1:2] % 2).float()
        alike = torch.zeros_like(batch.item_B)
        return replace(
            batch, item_B=alike, labels_BT=torch.cat((liked_B1, torch.full_like(batch.labels_BT[:, 1:], torch.nan)), 1)
        )

    batches = [odd(batch) for batch in stream(250, size=32)]

    def error(config: TrainerConfig) -> float:
        trainer = Trainer(config, vocabulary, seed=0)
        reports = [trainer.learn(batch) for batch in batches][-50:]
        return float(torch.cat([(one.predictions_BT - one.labels_BT)[:, 0].abs() for one in reports]).mean())

    assert error(CONFIG) > 0.45
    assert error(WITH_IDS) < 0.15


def test_without_rows_ids_change_nothing(vocabulary: Vocabulary, stream: Stream) -> None:
    """Off, a model learns the same bits whether a batch carries ids or not."""
    one, other = Trainer(CONFIG, vocabulary, seed=0), Trainer(CONFIG, vocabulary, seed=0)
    for batch in stream(5):
        one.learn(batch)
        other.learn(replace(batch, ids_B3=torch.zeros_like(batch.ids_B3)))
    assert_same_state(one.weights(), other.weights())


def test_an_id_has_no_vector_before_it_was_seen_and_never_anothers() -> None:
    """Two ids of one row: the second is unknown while the first holds it."""
    table = _table()
    table.observe(_ids((3, 0, 5 * DAY)))
    with torch.no_grad():
        table.vectors.weight.fill_(7.0)
    first, second = table(_ids((3, 4, 0), (3 + 8, 4, 0)))
    assert first.tolist() == [7.0, 7.0, 0.0, 0.0, 0.0, 0.0]
    assert second.tolist() == [0.0] * 6
    table.observe(_ids((3 + 8, 0, 5 * DAY)))
    assert table(_ids((3 + 8, 0, 0))).abs().sum() == 0.0


def test_what_was_not_seen_for_long_makes_room() -> None:
    """By the examples' time: after a day without it the row is free, and its next owner begins at zero."""
    table = _table()
    table.observe(_ids((3, 4, 5 * DAY)))
    with torch.no_grad():
        table.vectors.weight.fill_(7.0)
    table.observe(_ids((0, 4, 6 * DAY)))
    assert table(_ids((3, 4, 0))).abs().sum() > 0.0, "a day has passed, and not more"
    table.observe(_ids((0, 4, 6 * DAY + 1)))
    user, item = table(_ids((3, 4, 0)))[0, :4].view(2, 2).tolist()
    assert user == [0.0, 0.0]
    assert item == [7.0, 7.0]
    table.observe(_ids((3 + 8, 0, 6 * DAY + 2)))
    assert table(_ids((3 + 8, 0, 0))).abs().sum() == 0.0
    with torch.no_grad():
        table.vectors.weight.fill_(7.0)
    assert table(_ids((3 + 8, 0, 0))).abs().sum() > 0.0


def test_an_older_example_does_not_shorten_a_life() -> None:
    """Examples come late and in any order; the latest sight counts, and of two new ids of one row always the same gets it."""
    table = _table()
    table.observe(_ids((3, 0, 5 * DAY), (3, 0, 4 * DAY)))
    table.observe(_ids((3, 0, 4 * DAY)))
    assert int(table.seen_R[3]) == 5 * DAY
    orders = [_table(), _table()]
    orders[0].observe(_ids((3, 0, DAY), (3 + 8, 0, DAY)))
    orders[1].observe(_ids((3 + 8, 0, DAY), (3, 0, DAY)))
    assert_same_state(dict(orders[0].state_dict()), dict(orders[1].state_dict()))


def test_a_checkpoint_of_before_ids_is_taken_up(vocabulary: Vocabulary, stream: Stream) -> None:
    """Its examples have no ids, and are replayed as those of unknown users and items."""
    trainer, other = Trainer(CONFIG, vocabulary, seed=0), Trainer(CONFIG, vocabulary, seed=0)
    first, second = stream(2)
    trainer.learn(first)
    state = trainer.state_dict()
    del state["replay"]["ring"]["ids"]
    other.load_state_dict(state)
    trainer.learn(second)
    other.learn(second)
    assert_same_state(other.weights(), trainer.weights())


def test_users_and_items_of_one_name_are_two() -> None:
    """And the hash of no id is that of none."""
    assert hashed_user("7") != hashed_item("7")
    assert 0 < hashed_user("7") < 2**63
    assert hashed_user("") == hashed_item("") == 0


@pytest.mark.parametrize("wrong", [{"id_rows": -1}, {"id_width": 0}, {"id_days": 0.0}])
def test_impossible_sizes_are_refused(wrong: dict[str, float]) -> None:
    """Each is named."""
    with pytest.raises(ValueError, match="id_rows must be 0 or more"):
        ModelConfig(**wrong)  # type: ignore[arg-type]  # what a setting could hold
