"""Report of the quality figures: the part of benchmarks/README.md, and its charts."""

from collections.abc import Mapping
from typing import Any

from benchmarks.chart import line_chart
from benchmarks.quality.reports import balancing as report_balancing
from benchmarks.quality.reports import encoders as report_encoders
from benchmarks.quality.reports import newsroom as report_newsroom
from benchmarks.quality.reports import retrieval as report_retrieval
from benchmarks.quality.reports import steam as report_steam
from benchmarks.quality.reports import together as report_together

__all__ = ["NAMES", "charts", "part"]

NAMES = {
    "headwater": "Headwater",
    "headwater_ids": "Headwater, with vectors by id",
    "headwater_frozen": "Headwater, heads frozen after the first fifth",
    "lightgbm_daily": "LightGBM, same features, retrained daily",
    "river_logistic": "River, logistic and linear regression, same features",
    "river_factorization": "River, biased matrix factorization",
    "user_item_mean": "running user bias + item mean",
    "item_mean": "running item mean",
}
_METRICS = {"auc": "AUC", "gauc": "GAUC", "log_loss": "log loss", "rmse": "RMSE of stars"}
_LISTS = {"ndcg": "nDCG@10", "recall": "recall@10", "coverage": "coverage", "gini": "Gini of exposure"}


def part(results: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    makers = {
        "movielens": _movielens,
        "freshness": _freshness,
        "retrieval": report_retrieval.part,
        "newsroom": report_newsroom.part,
        "together": report_together.part,
        "balancing": report_balancing.part,
        "steam_balancing": report_balancing.steam_part,
        "steam": report_steam.part,
        "encoders": report_encoders.part,
        "throughput": _throughput,
    }
    return "\n\n".join(make(results[name]) for name, make in makers.items() if name in results)


def charts(results: Mapping[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    found = report_newsroom.charts(results["newsroom"]) if "newsroom" in results else {}
    if "movielens" in results:
        curve = results["movielens"]["curve"]
        shown = {
            NAMES[model].split(",")[0]: model
            for model in ("headwater", "lightgbm_daily", "river_factorization", "user_item_mean")
        }
        lines = {name: list(zip(curve["ends"], curve["auc"][model], strict=True)) for name, model in shown.items()}
        title = f"MovieLens-100k: AUC of like over the last {curve['window']:,} ratings"
        found["movielens-curve.svg"] = line_chart(title, "ratings seen", lines)
    if "freshness" in results:
        freshness = results["freshness"]
        lines = {name: [(float(every), value) for every, value in freshness[key].items()] for key, name in _FRESHNESS.items()}
        title = "MovieLens-100k: AUC of like, last fifth, by staleness"
        found["movielens-freshness.svg"] = line_chart(title, "ratings between two refreshes", lines, log_x=True)
    return found


_FRESHNESS = {
    "weights": "weights, features fresh",
    "features": "features, weights fresh",
    "features_and_weights": "both",
    "ids_weights": "weights of ids alone",
}


def _movielens(found: Mapping[str, Any]) -> str:
    seeds = found["seeds"]
    parts = [
        "## MovieLens-100k",
        f"{found['ratings']:,} ratings in order of time, each predicted before it is learned from (progressive validation). Like "
        f"is 4 stars or more. Headwater is the mean of {len(seeds)} seeds, lowest to highest in brackets; the others have one. "
        "River's settings are the best of six (regressions) and eight (factorization) tried on this very stream, which favours "
        "them; Headwater runs with its defaults. Vectors by id (`HEADWATER_LEARNER_ID_ROWS`) are off by default: what they would "
        "have to learn, counters and audiences tell sooner.",
    ]
    for mode, judged in found["modes"].items():
        for window, label in (("last_fifth", "the last fifth"), ("all", "all ratings")):
            parts.append(f"**{mode.replace('_', ' ').capitalize()}, {label}**: {judged['what']}.")
            parts.append(_table(judged[window], _METRICS))
        if "ndcg" in judged["last_fifth"]["headwater"]:  # figures of before have no lists
            parts.append(
                "Lists of the ten rated films that each user was predicted to like best, of users with more than ten in the last "
                "fifth: coverage is the share of films in any list, Gini the inequality of how often films stand in lists."
            )
            parts.append(_table(judged["last_fifth"], _LISTS))
        times = judged["lightgbm_retrainings"]
        parts.append(f"LightGBM was trained {times} times: at the end of each day by which 1,000 new ratings had come.")
    parts.append("![Quality over time](charts/movielens-curve.svg)")
    return "\n\n".join(parts)


def _table(models: Mapping[str, Any], metrics: Mapping[str, str]) -> str:
    rows = [f"| | {' | '.join(metrics.values())} |", "| --- |" + " --- |" * len(metrics)]
    for name, title in NAMES.items():
        if name in models:
            rows.append(f"| {title} | {' | '.join(_spread(models[name][metric]) for metric in metrics)} |")
    return "\n".join(rows)


def _spread(value: Mapping[str, float]) -> str:
    if value["min"] == value["max"]:
        return f"{value['mean']:.4f}"
    return f"{value['mean']:.4f} ({value['min']:.4f} to {value['max']:.4f})"


def _freshness(found: Mapping[str, Any]) -> str:
    intervals = sorted({int(every) for key in _FRESHNESS for every in found[key]})
    rows = [
        f"| AUC, last fifth | {' | '.join(f'every {every:,}' for every in intervals)} |",
        "| --- |" + " --- |" * len(intervals),
    ]
    for key, name in _FRESHNESS.items():
        cells = (f"{value:.4f}" if (value := found[key].get(str(every))) is not None else "" for every in intervals)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    intro = (
        "What staleness costs, where Monolith (arXiv 2209.07663, table 2) asks it of weights alone: the served weights are "
        "copied only every so many ratings while features stay fresh; features are refreshed only so often while weights stay "
        "fresh; both; and a model on ids alone, whose weights are all that it has. One seed."
    )
    return "\n\n".join(("### Freshness", intro, "\n".join(rows), "![Staleness](charts/movielens-freshness.svg)"))


def _throughput(found: Mapping[str, Any]) -> str:
    return (
        "## Throughput of the learner\n\n"
        f"{found['learner_examples_per_second']:,.0f} new examples/s in batches of {found['batch']}, with "
        f"{found['replayed_beside_each']:g} replayed beside each, on {found['threads']} thread. A bare forward and backward pass "
        f"of the same network ({found['parameters']:,} parameters) over as many rows makes "
        f"{found['bare_pass_same_rows_examples_per_second']:,.0f}/s; over the new examples alone, "
        f"{found['bare_pass_without_replay_examples_per_second']:,.0f}/s."
    )
