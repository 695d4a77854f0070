"""The baselines predict before they learn, and by the arithmetic that their names say."""

import pytest

from deploy.demo.baselines import progressive
from deploy.demo.movielens import Rating


def rating(user: str, item: str, stars: int) -> Rating:
    """A rating whose time does not matter."""
    return Rating(row=0, user_id=user, item_id=item, stars=stars, at=0)


def test_a_prediction_does_not_know_its_own_rating() -> None:
    """Changing the last rating's stars changes none of the predictions, its own included."""
    history = [rating("a", "x", 5), rating("b", "x", 1)]
    assert progressive([*history, rating("a", "y", 1)], 4) == progressive([*history, rating("a", "y", 5)], 4)


def test_means_shrink_toward_the_mean_of_all() -> None:
    """After 5 and 1 stars on one item, the item stands at 3; after a 5 alone, five parts of the overall mean pull."""
    out = progressive([rating("a", "x", 5), rating("b", "x", 1), rating("c", "x", 3)], 4)
    assert out["item_mean"]["stars"] == pytest.approx([0.0, 5.0, 3.0])
    assert out["item_mean"]["like"] == pytest.approx([0.0, 1.0, 0.5])


def test_a_generous_user_is_expected_to_stay_generous() -> None:
    """The user's residual against the item's mean lifts the next prediction above the item mean alone."""
    out = progressive([rating("b", "x", 2), rating("a", "x", 5), rating("a", "x", 5)], 4)
    assert out["user_item_mean"]["stars"][2] > out["item_mean"]["stars"][2]
