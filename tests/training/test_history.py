"""Playing a history: the stream's rows and examples, learned in order, with nothing seen ahead of its time."""

from dataclasses import replace

import numpy as np

from feature_repo.assembly.assemble import assemble_served
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.v1.catalogue_pb2 import Item
from training.history import HistoryRun
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

VOCABULARY = Vocabulary(
    parse_tasks('[tasks.like]\nkind = "binary"\nevent = "rate"\nat_least = 4\n[tasks.stars]\nkind = "regression"\nevent = "rate"')
)
DIMENSIONS = 8


def ratings(count: int, *, seed: int = 0, changed_from: int | None = None) -> list[DecodedEvent]:
    """Six users who love one half of the items and hate the other; stars from `changed_from` on are turned round."""
    random, events = np.random.default_rng(seed), []
    for number in range(count):
        user, item = int(random.integers(6)), int(random.integers(40))
        stars = 5.0 if (user + item) % 2 == 0 else 1.0
        if changed_from is not None and number >= changed_from:
            stars = 6.0 - stars
        for kind, value in ((IMPRESSION, None), ("rate", stars)):
            at = 1000.0 * (number + 1)
            events.append(
                DecodedEvent(event_id=f"{number}{kind}", user_id=f"u{user}", item_id=f"i{item}", at=at, kind=kind, value=value)
            )
    return events


def played(events: list[DecodedEvent]) -> HistoryRun:
    table = ItemTable(VOCABULARY, dimensions=DIMENSIONS)
    axis = np.eye(DIMENSIONS, dtype=np.float32)
    for number in range(40):
        table.set_content(Item(item_id=f"i{number}", categories=["even" if number % 2 == 0 else "odd"]), axis[number % 2])
    config = TrainerConfig(model=ModelConfig(text_dimension=DIMENSIONS, width=4, hidden=(16, 8)))
    run = HistoryRun(table, Trainer(config, VOCABULARY, seed=0), batch_size=16)
    run.play(events)
    return run


def test_what_can_be_learned_is_learned() -> None:
    """Users' taste for one half of the items is found within some three hundred ratings of each."""
    judged = played(ratings(2000)).judged()
    late_like, late_labels = judged.predictions[1600:, 0], judged.labels[1600:, 0]
    assert late_like[late_labels == 1.0].mean() > 0.6 > 0.4 > late_like[late_labels == 0.0].mean()


def test_later_events_change_no_earlier_prediction() -> None:
    """Turning later ratings round leaves every prediction before them as it was: nothing leaks back in time."""
    one, other = played(ratings(480)).judged(), played(ratings(480, changed_from=320)).judged()
    np.testing.assert_array_equal(one.predictions[:320], other.predictions[:320])
    assert not np.array_equal(one.predictions[336:], other.predictions[336:])


def test_repeated_events_teach_nothing() -> None:
    """A history with every event twice learns what the history learns."""
    events = ratings(200)
    once, twice = played(events), played([event for event in events for _ in range(2)])
    assert twice.fold.duplicates == len(events)
    np.testing.assert_array_equal(once.judged().predictions, twice.judged().predictions)


def test_figures_stand_beside_running_means() -> None:
    """On tastes that a mean cannot tell apart, what was learned is ahead of both means in the last fifth."""
    run = played(ratings(2000))
    figures = run.judged().figures()
    judged = figures["like"]["last_fifth"]
    aucs = {name: quality["auc"] for name, quality in judged.items()}
    assert aucs["headwater"] is not None
    assert aucs["headwater"] > 0.9 > max(aucs["item_mean"] or 1.0, aucs["user_item_mean"] or 1.0)
    gains = {name: quality["ndcg_at_10"] for name, quality in judged.items()}
    assert (gains["headwater"] or 0.0) > max(gains["item_mean"] or 1.0, gains["user_item_mean"] or 1.0)
    assert "gini_at_10" not in figures["stars"]["all"]["headwater"]
    assert figures["stars"]["all"]["headwater"]["auc"] is None
    assert figures["stars"]["all"]["item_mean"]["count"] == len(run.judged().labels)


def test_served_features_are_taken_as_they_are() -> None:
    """Features that an impression carries reach the example unchanged, whatever has been folded since they were made."""
    fold = played([]).fold
    shown, rated, *later = ratings(3)
    served = assemble_served(fold.user(shown.user_id), fold.table, shown.item_id, shown.at)
    for event in later:
        fold.fold(event)
    fold.fold(replace(shown, served=served))
    [example] = fold.fold(rated)
    assert list(example.features) == served.features.tolist()
