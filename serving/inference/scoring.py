"""Predictions from assembled features: by the model, or by running means until there is one."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from feature_repo.assembly.assemble import Assembled, assemble
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.vocabulary import HISTORY, Vocabulary
from serving.inference.models import ServedModel
from serving.timing import Stopwatch
from training.batch import Batch
from training.calibration import LONGEST_LOG_SECONDS
from training.ids import hashed_item, hashed_user

__all__ = ["Predictions", "candidates_batch", "predict", "prior_predictions", "where_applicable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """Values (B, T) in the tasks' own units, and the inputs that they come from."""

    values_BT: NDArray[np.float32]
    assembled: Assembled


def predict(
    row: UserRow, table: ItemTable, item_rows_B: NDArray[np.intp], now: float, model: ServedModel | None, watch: Stopwatch
) -> Predictions:
    """Predictions for one user and B items at time `now`; without a model, each item's running mean plus the user's bias."""
    assembled = assemble(row, table, item_rows_B, now)
    watch.lap("assemble")
    if model is None:
        values_BT = prior_predictions(assembled.x_BF, table.vocabulary)
    else:
        user_id = row.user_id if model.recommender.ids is not None else None
        values_BT = model.predict(candidates_batch(assembled, table, user_id)).numpy()
    watch.lap("score")
    return Predictions(values_BT=values_BT, assembled=assembled)


def candidates_batch(assembled: Assembled, table: ItemTable, user_id: str | None = None) -> Batch:
    """The model's batch for one user's candidates: the history, which all share, is gathered once and not once an item.

    A model that has vectors by ids needs `user_id`; without it all ids are unknown.
    """
    items_B, history_N = assembled.item_rows_B, assembled.history_rows_N
    size, places = len(items_B), len(history_N)
    gathered_VD = np.zeros((1 + places + size, table.dimensions), dtype=np.float32)
    table.vectors.take(np.concatenate((history_N, items_B)), axis=0, out=gathered_VD[1:], mode="wrap")  # -1 for an unknown item
    at_B = np.where(items_B >= 0, np.arange(1 + places, 1 + places + size), 0)
    known_N = np.zeros(HISTORY, dtype=bool)
    known_N[:places] = history_N >= 0
    at_N = np.where(known_N, np.arange(1, 1 + HISTORY), 0)
    values_NS = np.zeros((HISTORY, assembled.history_values_NT1.shape[1]), dtype=np.float32)
    values_NS[:places] = assembled.history_values_NT1
    ids_B3 = np.zeros((size, 3), dtype=np.int64)
    if user_id is not None:
        ids_B3[:, 0] = hashed_user(user_id)
        ids_B3[:, 1] = [hashed_item(table.ids[item]) if item >= 0 else 0 for item in items_B.tolist()]
    unknown_BT = torch.full((size, len(table.vocabulary.tasks)), torch.nan)
    return Batch(
        x_BF=torch.from_numpy(assembled.x_BF),
        vectors_VD=torch.from_numpy(gathered_VD),
        item_B=torch.from_numpy(at_B),
        history_BN=torch.from_numpy(at_N)[None],
        history_values_BNS=torch.from_numpy(values_NS)[None],
        history_mask_BN=torch.from_numpy(known_N)[None],
        labels_BT=unknown_BT,
        lower_bounds_BT=unknown_BT,
        ids_B3=torch.from_numpy(ids_B3),
    )


def prior_predictions(x_BF: NDArray[np.float32], vocabulary: Vocabulary) -> NDArray[np.float32]:
    """Item mean plus user bias of each task, (B, T), in the tasks' own units: what can be said before anything is learned."""
    columns = [vocabulary.features.index(f"{task.name}:expected") for task in vocabulary.tasks]
    values_BT = x_BF[:, columns]
    for at, task in enumerate(vocabulary.tasks):
        if task.kind == "binary":
            values_BT[:, at] = values_BT[:, at].clip(0.0, 1.0)
        elif task.kind == "duration":
            values_BT[:, at] = np.expm1(values_BT[:, at].clip(0.0, LONGEST_LOG_SECONDS))
    return values_BT


def where_applicable(values_BT: NDArray[np.float32], table: ItemTable, item_rows_B: NDArray[np.intp]) -> NDArray[np.float32]:
    """The predictions, NaN where a task is about other item types than the item's; an item of unknown type gets all tasks."""
    tasks = table.vocabulary.tasks
    if not any(task.item_types for task in tasks):
        return values_BT
    values_BT = values_BT.copy()
    for at, row in enumerate(item_rows_B):
        item = table.content[row] if row >= 0 else None
        if item is not None:
            values_BT[at, [bool(task.item_types) and item.type not in task.item_types for task in tasks]] = np.nan
    return values_BT
