"""Examples are folded as the stream folds them, and nothing in one comes from later, in either mode."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.quality.examples import Examples, by_count, by_time, cached, fold
from benchmarks.quality.headwater import BATCH, make_trainer, progressive
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.v1.catalogue_pb2 import Item
from training.history import HistoryFold

VOCABULARY = Vocabulary(
    parse_tasks('[tasks.like]\nkind = "binary"\nevent = "rate"\nat_least = 4\n[tasks.stars]\nkind = "regression"\nevent = "rate"')
)
SIZE, CHANGED = 600, 400
Pairs = list[tuple[DecodedEvent, DecodedEvent]]


def table() -> ItemTable:
    made, random = ItemTable(VOCABULARY, dimensions=8), np.random.default_rng(5)
    for number in range(30):
        vector = random.normal(size=8).astype(np.float32)
        made.set_content(Item(item_id=f"i{number}", categories=[f"c{number % 3}"]), vector / np.linalg.norm(vector))
    return made


def pairs(*, later: int | None = None) -> Pairs:
    """Ratings as MovieLens has them, pages of three in one second; those from CHANGED on are drawn again with `later`."""
    random, made = np.random.default_rng(0), []
    users, items, stars = random.integers(20, size=SIZE), random.integers(30, size=SIZE), random.integers(1, 6, size=SIZE)
    if later is not None:
        stars[CHANGED:] = np.random.default_rng(later).integers(1, 6, size=SIZE - CHANGED)
    for number, (user, item, value) in enumerate(zip(users.tolist(), items.tolist(), stars.tolist(), strict=True)):
        who, what, at = f"u{user}", f"i{item}", 1e6 + 50.0 * (number // 3)
        shown = DecodedEvent(event_id=f"{number}i", user_id=who, item_id=what, at=at, kind=IMPRESSION)
        made.append(
            (shown, DecodedEvent(event_id=f"{number}r", user_id=who, item_id=what, at=at, kind="rate", value=float(value)))
        )
    return made


def stretches(mode: str, ratings: Pairs) -> list[tuple[int, int]]:
    return by_count(SIZE, 1) if mode == "every_event" else by_time([shown.at for shown, _ in ratings])


def predicted(examples: Examples, bounds: list[tuple[int, int]]) -> NDArray[np.float32]:
    return progressive(examples, make_trainer(VOCABULARY, 8, 0), bounds).live


@pytest.mark.parametrize("mode", ["every_event", "seconds_hidden"])
def test_later_ratings_change_no_earlier_feature_or_prediction(mode: str) -> None:
    """With all later stars drawn again, features and predictions up to there are equal, and those after differ."""
    first, other = pairs(), pairs(later=1)
    bounds = stretches(mode, first)
    one, two = fold(first, table(), bounds), fold(other, table(), bounds)
    # Features of the first changed rating are made before its stars are known; its stretch holds three at most.
    np.testing.assert_array_equal(one.x[: CHANGED + 1], two.x[: CHANGED + 1])
    np.testing.assert_array_equal(one.history_values[: CHANGED + 1], two.history_values[: CHANGED + 1])
    assert not np.array_equal(one.x[CHANGED + 3 :], two.x[CHANGED + 3 :])
    early, others = predicted(one, bounds)[: CHANGED + 1], predicted(two, bounds)[: CHANGED + 1]
    # Within one batch the last bit of a product may depend on the other rows; a label that leaked would show far above it.
    np.testing.assert_allclose(early, others, rtol=1e-5)
    whole = CHANGED - 2 * BATCH
    np.testing.assert_array_equal(early[:whole], others[:whole])


def test_hidden_seconds_hide_only_their_own_second() -> None:
    """The first rating of each second has the same features in both modes; some later ones of a second do not."""
    ratings = pairs()
    open_, hidden = (fold(ratings, table(), stretches(mode, ratings)) for mode in ("every_event", "seconds_hidden"))
    np.testing.assert_allclose(open_.x[::3], hidden.x[::3], rtol=1e-5, atol=1e-6)
    assert not np.allclose(open_.x, hidden.x, rtol=1e-3, atol=1e-3)


def test_features_are_those_of_the_stream() -> None:
    """With every event a stretch of its own, served features are what the fold makes of impressions that carry none."""
    ratings, run = pairs(), HistoryFold(table())
    streamed = [example for pair in ratings for event in pair for example in run.fold(event)]
    examples = fold(ratings, table(), by_count(SIZE, 1))
    np.testing.assert_array_equal(examples.x, np.array([example.features for example in streamed], dtype=np.float32))
    np.testing.assert_array_equal(examples.labels, np.array([example.labels for example in streamed], dtype=np.float32))


def test_folded_examples_are_kept(tmp_path: Path) -> None:
    """The second time they come from the file, equal to the bit."""
    made = fold(pairs()[:50], table(), by_count(50, 1))
    path = tmp_path / "kept" / "a.npz"
    cached(path, lambda: made)
    held = cached(path, lambda: pytest.fail("folded again"))
    for name in ("x", "users", "items", "history", "history_values", "labels", "at", "vectors"):
        np.testing.assert_array_equal(getattr(held, name), getattr(made, name))
