"""Owns how the figures on Steam are shown."""

from collections.abc import Mapping
from typing import Any

__all__ = ["part"]

_NAMES = {"means": "the game's mean + the user's bias", "none": "Headwater without text"}


def part(found: Mapping[str, Any]) -> str:
    """The section as Markdown."""
    splits = ("rows", "cold_games")
    models = [name for name in ("means", "none") if name in found["rows"]["models"]]
    models += [name for name in found["rows"]["models"] if name not in models]
    rows = [
        "| | AUC of played, known games | RMSE of log1p hours | AUC of played, cold games | RMSE of log1p hours |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in models:
        cells = (f"{found[split]['models'][name][metric]:.3f}" for split in splits for metric in ("auc", "rmse"))
        rows.append(f"| {_NAMES.get(name, f'Headwater, text by {name}')} | {' | '.join(cells)} |")
    gains = [
        found["cold_games"]["models"][name]["auc"] - found["cold_games"]["models"]["none"]["auc"]
        for name in models
        if name not in _NAMES and "alone" not in name
    ]
    return "\n\n".join(
        (
            "## Steam: two tasks, known and cold games",
            f"{found['pairs']:,} games that {found['users']:,} users own, of {found['games']:,} games: was it played, and for "
            "how many hours (judged over what was played)? Learned once in random order, since the set has no times. Known "
            f"games: a fifth of the rows is judged ({found['rows']['judged']:,}). Cold games: a fifth of the games, of which "
            f"nothing was seen ({found['cold_games']['judged']:,} rows). Text is the game's name alone. One seed; a standard "
            "error of AUC is about .01.",
            "\n".join(rows),
            f'On cold games text gains {min(gains):.3f} to {max(gains):.3f} of AUC. "Each task alone" are two models, each '
            f"with the labels of one task. {_cold_hours(found['cold_games']['models'])}",
        )
    )


def _cold_hours(models: Mapping[str, Mapping[str, float]]) -> str:
    """Says plainly who tells the hours of cold games better."""
    means = models["means"]["rmse"]
    best = min(figures["rmse"] for name, figures in models.items() if name != "means" and "alone" not in name)
    if best <= means:
        return f"Hours of cold games are told better than by means, RMSE {best:.3f} against {means:.3f}."
    return (
        f"Hours of cold games are told worse than by means, RMSE {best:.3f} at best against {means:.3f}: all that teaches what "
        "to make of a game without any history is the first row of each other game."
    )
