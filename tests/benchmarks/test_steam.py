"""The section on Steam, on a made-up copy of its files in which names tell what is played."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("lightgbm", reason="the peers come with the extra `bench`")

from benchmarks.quality import balancing, steam
from benchmarks.quality.reports import balancing as report_balancing
from benchmarks.quality.reports import steam as report_steam
from tests.benchmarks.test_newsroom import Letters
from training.balancing import BALANCINGS


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """80 users own half of 40 games each; games named after the letter a are played, for long, others seldom."""
    rng = np.random.default_rng(0)
    owned = [(user * 8, game) for user in range(80) for game in range(40) if rng.random() < 0.5]
    played = [
        (user, game, 20.0 if game % 2 == 0 else 0.5) for user, game in owned if rng.random() < (0.9 if game % 2 == 0 else 0.2)
    ]
    columns = ["User_ID", "Game_ID"]
    pd.DataFrame(owned, columns=columns).assign(Purchase=1.0).to_csv(tmp_path / "game_purchase.dat.gz", sep="\t", index=False)
    pd.DataFrame(played, columns=[*columns, "Hours"]).to_csv(tmp_path / "game_play.dat.gz", sep="\t", index=False)
    names = ["aaab" if game % 2 == 0 else "zzzy" for game in range(40)]
    frame = pd.DataFrame({"Game_ID": range(40), "Game Name": names})
    frame.to_csv(tmp_path / "item_info.dat.gz", sep="\t", index=False)
    return tmp_path


def test_cold_games_share_none_with_what_is_learned(directory: Path) -> None:
    """And no split loses or repeats a pair."""
    pairs, _ = steam.load(directory)
    for split, (learned, judged) in steam.splits(pairs, seed=0).items():
        assert sorted((pair.user, pair.game) for pair in (*learned, *judged)) == sorted((pair.user, pair.game) for pair in pairs)
        overlap = {pair.game for pair in learned} & {pair.game for pair in judged}
        assert bool(overlap) == (split == "rows")


@pytest.mark.timeout(600)
def test_text_tells_of_cold_games_what_means_cannot(directory: Path) -> None:
    """Without text their user is all that is known; the table has a row for each model."""
    found = steam.measure(directory, {"letters": Letters()}, seed=0, say=lambda text: None)
    cold = found["cold_games"]["models"]
    assert cold["letters"]["auc"] > cold["none"]["auc"] + 0.2
    assert cold["letters"]["rmse"] < cold["none"]["rmse"]
    text = report_steam.part(found)
    assert "| Headwater, text by letters |" in text
    assert "| Headwater, text by letters, each task alone |" in text


@pytest.mark.timeout(600)
def test_every_way_of_balancing_is_measured_on_both_splits(directory: Path) -> None:
    """They learn the same rows, so they lie near each other, and not all on each other."""
    found = balancing.measure_steam(directory, Letters(), seeds=[0], say=lambda text: None, one_user_in=1)
    assert set(found["figures"]) == set(BALANCINGS)
    losses = [figures["played, rows"][0] for figures in found["figures"].values()]
    assert max(losses) < 1.5 * min(losses)
    assert len(set(losses)) > len(losses) // 2
    assert report_balancing.steam_part(found).count("\n| ") == len(BALANCINGS) + 2
