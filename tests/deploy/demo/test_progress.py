"""Progressive predictions are matched to ratings and judged beside the baselines on the same ones."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from deploy.demo.movielens import Rating
from deploy.demo.progress import judge
from deploy.demo.report import write


@pytest.fixture
def ratings() -> list[Rating]:
    """A thousand ratings of twenty films by fifty users, one of each pair."""
    rng = np.random.default_rng(1)
    pairs = [(str(user), str(item)) for user in range(50) for item in range(20)]
    rng.shuffle(pairs)
    return [
        Rating(row=row, user_id=user, item_id=item, stars=int(rng.integers(1, 6)), at=row)
        for row, (user, item) in enumerate(pairs)
    ]


def test_perfect_predictions_are_seen_as_perfect(ratings: list[Rating]) -> None:
    """AUC 1 and RMSE 0, over all and the last fifth, whatever order the predictions came in."""
    known = {(rating.user_id, rating.item_id): (float(rating.stars >= 4), float(rating.stars)) for rating in reversed(ratings)}
    figures = judge(ratings, known).figures
    for name in ("auc_like", "auc_like_last_fifth"):
        assert figures[name]["headwater"] == 1.0
        assert figures[name]["item_mean"] < 0.7
    assert figures["rmse_stars_last_fifth"]["headwater"] == 0.0


def test_only_ratings_with_a_prediction_are_judged(ratings: list[Rating]) -> None:
    """Dropping predictions drops those ratings for every model, and the last fifth stays that of all ratings."""
    known = {(rating.user_id, rating.item_id): (0.5, 3.0) for rating in ratings[:900]}
    quality = judge(ratings, known)
    assert quality.judged == 900
    expected = float(np.sqrt(np.mean([(rating.stars - 3.0) ** 2 for rating in ratings[800:900]])))
    assert quality.figures["rmse_stars_last_fifth"]["headwater"] == pytest.approx(expected)


def test_the_report_stands_alone(ratings: list[Rating], tmp_path: Path) -> None:
    """report.json reads back, and report.html fetches no script from anywhere."""
    quality = judge(ratings, {(rating.user_id, rating.item_id): (0.5, 3.0) for rating in ratings})
    write(tmp_path, {"events": {"published": 2}, "quality": quality.figures}, quality)
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    assert report["quality"]["rmse_stars"]["headwater"] == quality.figures["rmse_stars"]["headwater"]
    page = (tmp_path / "report.html").read_text()
    assert "Plotly.newPlot" in page
    assert '<script src="http' not in page
