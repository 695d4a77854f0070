"""Report of the figures on Steam."""

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
    cold = found["cold_games"]["models"]
    gains = [cold[name]["auc"] - cold["none"]["auc"] for name in models if name not in _NAMES and ", " not in name]
    over_means = [gain + cold["none"]["auc"] - cold["means"]["auc"] for gain in gains]
    return "\n\n".join(
        (
            "## Steam: two tasks, known and cold games",
            f"{found['pairs']:,} games that {found['users']:,} users own, of "
            f"{found['games']:,} games: was it played, and for how many hours (judged over what was played)? Learned once in "
            f"random order, since the set has no times. Known games: a fifth of the rows is judged "
            f"({found['rows']['judged']:,}). Cold games: a fifth of the games, of which nothing was seen "
            f"({found['cold_games']['judged']:,} rows). Text is the game's name alone. "
            f"`HEADWATER_LEARNER_SEEN_AS_NEW={found['seen_as_new']:g}`: that part of the replayed examples is learned as if the "
            "game were new (of .1, .25 and .5 the best on this very set, which favours it a little). One seed; a standard error "
            "of AUC is about .005, more where rows of one game fall alike.",
            "\n".join(rows),
            f"On cold games text gains {min(gains):.3f} to {max(gains):.3f} of AUC over the same model without text, and "
            f"{min(over_means):.3f} to {max(over_means):.3f} over means. {_seen_as_new(cold)}"
            '"Each task alone" are two models, each with the labels of one task. '
            f"{_cold_hours(cold)}",
        )
    )


def _seen_as_new(models: Mapping[str, Mapping[str, float]]) -> str:
    """What it brings that known games are learned from as new ones too."""
    other = next(name for name in models if name.endswith(", no game seen as new"))
    name = other.partition(",")[0]
    auc, rmse = (models[name][metric] - models[other][metric] for metric in ("auc", "rmse"))
    return (
        f"Games seen as new bring {auc:+.3f} of AUC (and {rmse:+.3f} of the RMSE of hours, by {name}): otherwise a game's "
        "first row alone teaches what to make of a game without any history, and counters explain all others. "
    )


def _cold_hours(models: Mapping[str, Mapping[str, float]]) -> str:
    """Says plainly who tells the hours of cold games better."""
    means = models["means"]["rmse"]
    best = min(figures["rmse"] for name, figures in models.items() if name != "means" and ", " not in name)
    if best <= means:
        return f"Hours of cold games are told better than by means, RMSE {best:.3f} against {means:.3f}."
    return f"Hours of cold games are told worse than by means, RMSE {best:.3f} at best against {means:.3f}."
