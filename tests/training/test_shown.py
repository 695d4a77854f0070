"""Predictions as of when items were shown: by the weights of then, kept until labels come, within bounds."""

import io

import numpy as np
import pytest
import torch

from feature_repo.items.table import ItemTable
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from training.history import batch_of
from training.model import ModelConfig
from training.shown import ShownPredictions
from training.trainer import Trainer, TrainerConfig

VOCABULARY = Vocabulary(
    parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"\n[tasks.read]\nkind = "duration"\nevent = "read"')
)
TABLE = ItemTable(VOCABULARY, dimensions=4)


def example(number: int, *labels: float, labelled_after: float = 100.0, predictions: tuple[float, ...] = ()) -> Example:
    random = np.random.default_rng(number)
    return Example(
        user_id="u",
        item_id=f"i{number}",
        shown_at=1000.0 + number,
        labelled_at=1000.0 + number + (labelled_after if labels else 0.0),
        features=random.random(len(VOCABULARY.features)),
        labels=labels or (float("nan"), float("nan")),
        predictions=predictions,
    )


def trainer() -> Trainer:
    config = TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(8,)), learning_rate=0.05)
    return Trainer(config, VOCABULARY, seed=0)


def learn(trainer: Trainer, shown: ShownPredictions, *examples: Example) -> torch.Tensor:
    shown.predict(trainer.model, lambda waiting: batch_of(waiting, TABLE))
    report = trainer.learn(batch_of(examples, TABLE))
    return shown.of(examples, report.answers_BT, trainer.model)


def test_a_label_is_compared_with_the_prediction_of_when_its_item_was_shown() -> None:
    """However often weights change until it comes, and however many labels the impression gets."""
    model, shown = trainer(), ShownPredictions(tasks=2)
    learn(model, shown, *(example(number, float(number % 2), 3.0, labelled_after=0.0) for number in range(8)))
    shown.show(example(8))
    then_BT = model.model.answers(model.model(batch_of([example(8)], TABLE))).detach()
    for number in range(9, 40):
        learn(model, shown, example(number, 1.0, 5.0, labelled_after=0.0))
    later_BT = model.model.answers(model.model(batch_of([example(8)], TABLE))).detach()
    assert not torch.allclose(then_BT, later_BT, rtol=0.05)
    torch.testing.assert_close(learn(model, shown, example(8, 0.0, float("nan"))), then_BT)
    torch.testing.assert_close(learn(model, shown, example(8, float("nan"), 2.0)), then_BT)


def test_what_the_server_answered_counts_before_all() -> None:
    """In the tasks' units, put on the scale of the labels."""
    answered = example(0, 1.0, float("nan"), predictions=(0.25, 59.0))
    found_BT = learn(trainer(), ShownPredictions(tasks=2), answered)
    torch.testing.assert_close(found_BT, torch.tensor([[0.25, np.log(60.0)]], dtype=torch.float32))


def test_what_is_not_known_any_more_is_not_judged() -> None:
    """Memory is bounded: the oldest go. A label at the time of showing needs no memory."""
    model, shown = trainer(), ShownPredictions(tasks=2, capacity=3)
    for number in range(5):
        shown.show(example(number))
    found_BT = learn(model, shown, *(example(number, 1.0, 1.0) for number in range(5)))
    assert len(shown) == 3
    assert found_BT.isnan().any(1).tolist() == [True, True, False, False, False]
    assert learn(model, shown, example(9, 1.0, 1.0, labelled_after=0.0)).isfinite().all()


def test_a_saved_state_goes_on_alike() -> None:
    """After a restart the same impressions are known, and the same go next."""
    model, shown = trainer(), ShownPredictions(tasks=2, capacity=4)
    for number in range(6):
        shown.show(example(number))
    learn(model, shown, example(5, 1.0, 1.0))
    buffer = io.BytesIO()
    torch.save(shown.state_dict(), buffer)
    buffer.seek(0)
    again = ShownPredictions(tasks=2, capacity=4)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    for one in (shown, again):
        one.show(example(7))
        one.predict(model.model, lambda waiting: batch_of(waiting, TABLE))
    labelled = [example(number, 1.0, 1.0) for number in range(8)]
    answers_BT = torch.zeros(8, 2)
    torch.testing.assert_close(
        shown.of(labelled, answers_BT, model.model), again.of(labelled, answers_BT, model.model), equal_nan=True
    )
    with pytest.raises(ValueError, match="predictions"):
        ShownPredictions(tasks=3, capacity=4).load_state_dict(shown.state_dict())


def test_answers_come_on_the_scale_of_what_is_learned_from() -> None:
    """Labels of a task of which a tenth of the negatives is kept have another rate than what is served; so of late positives."""
    text = '[tasks.{}]\nkind = "binary"\nevent = "click"\n{}\n'
    declared = text.format("kept", "keep_negatives = 0.1") + text.format("late", 'late = "correct"') + text.format("plain", "")
    vocabulary = Vocabulary(parse_tasks(declared))
    model = Trainer(TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(8,))), vocabulary, seed=0).model
    outputs_BT = torch.tensor([[-1.0, -2.0, 0.5], [0.3, -0.1, -3.0]])
    torch.testing.assert_close(model.answers(outputs_BT), model.expectation(outputs_BT))
