"""The part of quality in the README is written from the results alone, and what stands around it stays."""

from pathlib import Path

from benchmarks.page import write_part
from benchmarks.quality.reports.page import NAMES, charts, part

METRIC = {"mean": 0.75, "min": 0.7, "max": 0.8}
ONE = {"mean": 0.5, "min": 0.5, "max": 0.5}
METRICS = ("auc", "gauc", "log_loss", "rmse", "ndcg", "recall", "coverage", "gini")
MODELS = {name: dict.fromkeys(METRICS, METRIC if name == "headwater" else ONE) for name in NAMES}
MODE = {"what": "as it stands", "lightgbm_retrainings": 3, "all": MODELS, "last_fifth": MODELS}
RESULTS = {
    "movielens": {
        "ratings": 1000,
        "seeds": [0, 1],
        "modes": {"every_event": MODE, "seconds_hidden": MODE},
        "curve": {"window": 100, "ends": [100, 200], "auc": {name: [0.5, 0.6] for name in NAMES}},
    },
    "freshness": {
        "weights": {"32": 0.7, "100": 0.69},
        "features": {"100": 0.6},
        "features_and_weights": {"100": 0.5},
        "ids_weights": {"32": 0.4, "100": 0.3},
        "measured": {"seconds": 1.0},
    },
}


def test_the_section_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    """Written twice, the page has one section, each model's figures, and the words before and after."""
    readme = tmp_path / "README.md"
    readme.write_text("# Benchmarks\n\nBefore.\n")
    write_part(tmp_path, "quality", part(RESULTS), charts(RESULTS))
    readme.write_text(readme.read_text() + "\nAfter.\n")
    write_part(tmp_path, "quality", part(RESULTS), charts(RESULTS))
    text = readme.read_text()
    assert text.startswith("# Benchmarks\n\nBefore.")
    assert text.endswith("After.\n")
    assert text.count("## MovieLens-100k") == 1
    assert "| Headwater | 0.7500 (0.7000 to 0.8000) |" in text
    assert "| running item mean | 0.5000 |" in text
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == ["movielens-curve.svg", "movielens-freshness.svg"]
