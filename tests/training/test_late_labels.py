"""Labels that come hours after the impression: waited for, or corrected once they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import Late, parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from training.history import HistoryFold, batch_of
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

DAY, RATE, USERS = 86_400.0, 0.2, 60


def _vocabulary(late: Late, keep: float = 1.0) -> Vocabulary:
    text = f'[tasks.buy]\nkind = "binary"\nevent = "purchase"\nwindow_seconds = {DAY}\nlate = "{late}"\nkeep_negatives = {keep}'
    return Vocabulary(parse_tasks(text))


def _event(user: int, number: int, at: float, kind: str = IMPRESSION) -> DecodedEvent:
    return DecodedEvent(event_id=f"{user}-{number}-{kind}", user_id=f"u{user}", item_id=f"i{number}", at=at, kind=kind)


def _history(hours: int) -> list[DecodedEvent]:
    """Each user sees an item every quarter of an hour; a fifth of them is bought, half an hour to three hours later."""
    rng, events = np.random.default_rng(0), []
    for user in range(USERS):
        for number in range(4 * hours):
            at = 1e6 + 900.0 * number + user
            events.append(_event(user, number, at))
            if rng.random() < RATE:
                events.append(_event(user, number, at + rng.uniform(0.5, 3.0) * 3600.0, "purchase"))
    end = 1e6 + hours * 3600.0
    return sorted((event for event in events if event.at <= end), key=lambda event: event.at)


def _served_after(late: Late, hours: int, keep: float = 1.0) -> float:
    vocabulary = _vocabulary(late, keep)
    run = HistoryFold(ItemTable(vocabulary, dimensions=4))
    examples = [example for event in _history(hours) for example in run.fold(event)]
    config = TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(8,)), learning_rate=2e-3)
    trainer = Trainer(config, vocabulary, seed=0)
    for start in range(0, len(examples) - 31, 32):
        trainer.learn(batch_of(examples[start : start + 32], run.table))
    return float(trainer.model.predict(batch_of(examples[-500:], run.table))[:, 0].mean())


@pytest.mark.timeout(400)
def test_correcting_is_near_the_rate_within_the_window_and_waiting_is_not() -> None:
    """At the end of a first day whose window is a day, who waits has seen positives alone; who corrects is near the rate."""
    assert _served_after("wait", 20) > 4.0 * RATE
    assert 0.7 * RATE < _served_after("correct", 20) < 1.5 * RATE
    assert 0.7 * RATE < _served_after("correct", 20, keep=0.5) < 1.5 * RATE


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 172_800), st.integers(1, 86_400)), max_size=30))
def test_every_impression_is_a_negative_once_and_a_positive_if_it_comes_in_time(
    steps: list[tuple[bool, int, int]],
) -> None:
    """However impressions and purchases lie in time: none is lost, and none counts twice."""
    run, events, now = HistoryFold(ItemTable(_vocabulary("correct"), dimensions=4)), list[DecodedEvent](), 1e6
    for number, (bought, after, wait) in enumerate(steps):
        events.append(_event(0, number, now))
        events += [_event(0, number, now + after, "purchase")] if bought else []
        now += wait
    examples: list[Example] = []
    for event in sorted(events, key=lambda event: event.at):
        examples += run.fold(event)
    negatives = [example.item_id for example in examples if example.labels[0] == 0.0]
    positives = [example.item_id for example in examples if example.labels[0] == 1.0]
    assert sorted(negatives) == sorted(f"i{number}" for number in range(len(steps)))
    assert sorted(positives) == sorted(f"i{at}" for at, (bought, after, _) in enumerate(steps) if bought and after < DAY)
