"""What a replay's figures mean, as sentences, and its predictions as a file from which they can be computed again."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.metrics.judged import Figures, Judged

__all__ = ["remarks", "write_predictions"]

_BELIEVABLE_AUC = 0.95
_CHANCE = 0.5
_COMPARED = {"auc": "AUC", "list_auc": "AUC in lists", "log_loss": "log loss", "rmse": "RMSE"}
_LOWER_IS_BETTER = ("log_loss", "rmse")


def remarks(figures: Figures, names: Mapping[str, str]) -> list[str]:
    """Where the model is worse than a baseline in the last fifth, and which figures are not to be believed.

    Args:
        names: what the models are called, by their names in `figures`.
    """
    return [
        remark
        for task, windows in figures.items()
        for remark in (*_worse(task, windows["last_fifth"], names), *_unbelievable(task, windows["all"], names))
    ]


def _worse(task: str, models: Mapping[str, Mapping[str, float | None]], names: Mapping[str, str]) -> Iterator[str]:
    ours = models["headwater"]
    for model, theirs in models.items():
        worse = []
        for metric, name in _COMPARED.items():
            mine, other = ours.get(metric), theirs.get(metric)
            if metric == "rmse" and ours.get("auc") is not None:
                continue  # of a binary task, which the log loss judges
            if mine is not None and other is not None and (mine > other if metric in _LOWER_IS_BETTER else mine < other):
                error = ours.get(f"{metric}_error")
                within = ", which is within the error" if error is not None and abs(mine - other) <= error else ""
                worse.append(f"{name} {mine:.4f} against {other:.4f}{within}")
        if worse:
            yield f"{task}: worse than {names[model]} in the last fifth ({'; '.join(worse)})"


def _unbelievable(task: str, models: Mapping[str, Mapping[str, float | None]], names: Mapping[str, str]) -> Iterator[str]:
    for model, metrics in models.items():
        for metric in ("auc", "list_auc"):
            value, error = metrics.get(metric), metrics.get(f"{metric}_error")
            if value is None or error is None:
                continue
            figure = f"{task}: the {_COMPARED[metric]} of {names[model]} is {value:.3f} ± {error:.3f}"
            if model != "headwater" and value + error < _CHANCE:
                yield (
                    f"{figure}, worse than chance: what was passed over was not chosen from as what was taken was. Where it was "
                    "sampled, sample it from what existed then, by popularity (sampled_impressions, sampled_popularity)"
                )
            elif model == "headwater" and value - error > _BELIEVABLE_AUC:
                yield (
                    f"{figure}, above what people's choices allow: look for a column that is known only after the choice, "
                    "or for times that differ between what was taken and what was passed over"
                )


def write_predictions(judged: Judged, path: Path) -> None:
    """Writes a Parquet file with one row for each example, in the order in which they were learned from.

    Columns: user_id, item_id, recommendation_id, list (its number), shown_at (Unix seconds), last_fifth, and for each task and
    model TASK.label and TASK.MODEL, MODEL being headwater or a baseline. Labels and predictions are in training space: ln(1 +
    seconds) of a duration. Null where nothing is said.
    """
    size = len(judged.labels)
    columns: dict[str, pa.Array] = {
        "user_id": pa.array([one.user_id for one in judged.shown], pa.string()),
        "item_id": pa.array([one.item_id for one in judged.shown], pa.string()),
        "recommendation_id": pa.array([one.recommendation_id or None for one in judged.shown], pa.string()),
        "list": pa.array(judged.lists, pa.int64()),
        "shown_at": pa.array([one.shown_at for one in judged.shown], pa.float64()),
        "last_fifth": pa.array([at >= size - judged.last_fifth for at in range(size)], pa.bool_()),
    }
    for index, task in enumerate(judged.tasks):
        columns[f"{task.name}.label"] = pa.array(judged.labels[:, index], pa.float32(), from_pandas=True)
        for model, made in judged.models.items():
            columns[f"{task.name}.{model}"] = pa.array(made[:, index], pa.float32(), from_pandas=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
