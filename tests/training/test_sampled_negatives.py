"""Tasks of which only a part of the negatives is learned: fewer examples, the same rates."""

import numpy as np
import pytest

from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from training.history import HistoryFold, batch_of
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

KEEP, USERS, SHOWN = 0.1, 60, 100
CLICK = '[tasks.click]\nkind = "binary"\nevent = "click"\n'
ALL, SAMPLED = (Vocabulary(parse_tasks(CLICK + f"keep_negatives = {keep}")) for keep in (1.0, KEEP))


def _shown(user: int, number: int, kind: str = IMPRESSION, later: float = 0.0) -> DecodedEvent:
    return DecodedEvent(
        event_id=f"{user}-{number}-{kind}",
        user_id=f"u{user}",
        item_id=f"i{number % 20}",
        at=1e6 + 2000.0 * number + later,
        kind=kind,
    )


def _events() -> list[DecodedEvent]:
    """One impression in twelve is clicked, more of even items than of odd ones."""
    rng, events = np.random.default_rng(0), []
    for number in range(SHOWN):
        for user in range(USERS):
            events.append(_shown(user, number))
            if rng.random() < (0.12 if number % 2 == 0 else 0.04):
                events.append(_shown(user, number, "click", 5.0))
    return events


def _examples(vocabulary: Vocabulary) -> tuple[list[Example], ItemTable]:
    run = HistoryFold(ItemTable(vocabulary, dimensions=4))
    return [example for event in _events() for example in run.fold(event)], run.table


@pytest.mark.timeout(400)
def test_a_tenth_of_the_negatives_gives_the_same_rate_from_a_sixth_of_the_examples() -> None:
    """What is served is near the true rate; what was learned from has a rate several times as high."""
    everything, _ = _examples(ALL)
    examples, table = _examples(SAMPLED)
    positives = [example for example in everything if example.labels[0] == 1.0]
    rate = len(positives) / len(everything)
    assert 0.07 < rate < 0.09
    assert [example.shown_at for example in examples if example.labels[0] == 1.0] == [one.shown_at for one in positives]
    assert len(examples) < len(everything) / 5
    config = TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(8,)), learning_rate=2e-3)
    trainer = Trainer(config, SAMPLED, seed=0)
    for start in range(0, len(examples), 16):
        trainer.learn(batch_of(examples[start : start + 16], table))
    judged = batch_of(everything[-1500:], table)
    served = float(trainer.model.predict(judged)[:, 0].mean())
    learned = float(trainer.model.expectation(trainer.model(judged)).detach()[:, 0].mean())
    assert 0.7 * rate < served < 1.4 * rate
    assert learned > 3.0 * rate


def test_which_negatives_are_kept_is_the_same_again() -> None:
    """A worker that reads part of the log again must draw as before; and what was left out is settled all the same."""
    drawn = []
    for _ in range(2):
        again, kept = HistoryFold(ItemTable(SAMPLED, dimensions=4)), list[float]()
        for number in range(SHOWN):
            kept += [example.shown_at for example in again.fold(_shown(1, number))]
        drawn.append(kept)
        assert len(again.user("u1").pending) == 1, "all but the last are settled"
    assert drawn[0] == drawn[1]
    assert 0 < len(drawn[0]) < SHOWN / 4
