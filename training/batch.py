"""Batches of examples as tensors, with each text vector stored once.

Shape suffixes, here and in the whole package: B examples, F numeric features, V distinct text vectors, D dimensions of a
text vector, N places of history, T tasks, E width of the learned embedding, H width of the trunk's output.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feature_repo.vocabulary import HISTORY

__all__ = ["Batch", "concatenate", "make_batch"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """B examples, or B candidates of one request.

    Text vectors repeat (a history is shared by all candidates, popular items are in many histories), so each is held, and
    projected by the model, once: `item_B` and `history_BN` are rows of `vectors_VD`, of which row 0 is the zero vector.
    """

    x_BF: Tensor
    """Numeric features, float32; NaN where unknown."""
    vectors_VD: Tensor
    """Distinct text vectors, float32, L2-normalised; row 0 is all zeros."""
    item_B: Tensor
    """Row of each example's item, int64; 0 for an item without text."""
    history_BN: Tensor
    """Row of each item in the user's history, int64, the most recent first.

    This and the two after it may have a first dimension of 1: one history that all B share.
    """
    history_values_BNS: Tensor
    """Per item of the history S = T + 1 values: a residual per task in training space (0 if unknown), log1p of age in seconds."""
    history_mask_BN: Tensor
    """True where the place in the history is taken."""
    labels_BT: Tensor
    """Labels in training space (duration: log1p seconds), float32; NaN where unknown."""
    lower_bounds_BT: Tensor
    """Of censored labels, which are unknown in `labels_BT`: the least that each can be, float32; NaN for all others."""

    ids_B3: Tensor
    """Hashes of the ids of user and item (`training.ids`; 0 for an unknown one), and when it was shown in Unix seconds, int64."""

    def __len__(self) -> int:
        return int(self.x_BF.shape[0])

    def rows(self, chosen: Tensor) -> "Batch":
        """The examples that `chosen` names, by index or by mask; the vectors stay as they are."""
        return Batch(
            x_BF=self.x_BF[chosen],
            vectors_VD=self.vectors_VD,
            item_B=self.item_B[chosen],
            history_BN=self.history_BN[chosen],
            history_values_BNS=self.history_values_BNS[chosen],
            history_mask_BN=self.history_mask_BN[chosen],
            labels_BT=self.labels_BT[chosen],
            lower_bounds_BT=self.lower_bounds_BT[chosen],
            ids_B3=self.ids_B3[chosen],
        )


def make_batch(
    *,
    features: npt.NDArray[np.floating],
    item_rows: npt.NDArray[np.integer],
    history_rows: Sequence[npt.NDArray[np.integer]],
    history_values: Sequence[npt.NDArray[np.floating]],
    vectors: npt.NDArray[np.float32],
    labels: npt.NDArray[np.floating] | None = None,
    lower_bounds: Sequence[Sequence[float]] = (),
    ids: Sequence[Sequence[int]] | npt.NDArray[np.integer] | None = None,
    tasks: int,
    places: int = HISTORY,
) -> Batch:
    """Gathers numpy inputs into a `Batch`; the inputs are copied.

    Args:
        features: (B, F); NaN where unknown.
        item_rows: (B,) rows of `vectors`; -1 for an item without one.
        history_rows: for each example (n,) rows of `vectors`, the most recent first, cut to `places`; -1 leaves a place empty.
        history_values: for each example (n, tasks + 1), or flat of that size; see `Batch.history_values_BNS`.
        vectors: (rows, D) of all items, such as `ItemTable.vectors`.
        labels: (B, tasks) in training space, NaN where unknown; None when scoring.
        lower_bounds: for each example one a task, NaN where its label is not censored, or nothing; see `Batch.lower_bounds_BT`.
        ids: (B, 3), see `Batch.ids_B3`; None where no model takes them.
        tasks: number of declared tasks.

    Raises:
        ValueError: the inputs disagree in length or width; the message says which and how.
    """
    size = len(features)
    for name, given in (("item_rows", item_rows), ("history_rows", history_rows), ("history_values", history_values)):
        if len(given) != size:
            raise ValueError(f"make_batch: {name} has {len(given)} entries for {size} rows of features; give one for each")
    if labels is not None and labels.shape != (size, tasks):
        raise ValueError(f"make_batch: labels have shape {labels.shape}, not {(size, tasks)}: one column for each declared task")
    history_BN, values_BNS = _padded(history_rows, history_values, width=tasks + 1, places=places)
    vectors_VD, local = _distinct(np.column_stack((item_rows, history_BN)), vectors)
    unknown = np.full((size, tasks), np.nan, dtype=np.float32)
    bounds = unknown.copy()
    for index, known_bounds in enumerate(lower_bounds):
        if len(known_bounds):
            bounds[index] = known_bounds
    return Batch(
        x_BF=torch.from_numpy(np.array(features, dtype=np.float32)),
        vectors_VD=vectors_VD,
        item_B=local[:, 0].contiguous(),
        history_BN=local[:, 1:].contiguous(),
        history_values_BNS=torch.from_numpy(values_BNS),
        history_mask_BN=torch.from_numpy(history_BN >= 0),
        labels_BT=torch.from_numpy(unknown if labels is None else np.array(labels, dtype=np.float32)),
        lower_bounds_BT=torch.from_numpy(bounds),
        ids_B3=torch.from_numpy(np.zeros((size, 3), dtype=np.int64) if ids is None else np.array(ids, dtype=np.int64)),
    )


def _padded(
    history_rows: Sequence[npt.NDArray[np.integer]],
    history_values: Sequence[npt.NDArray[np.floating]],
    *,
    width: int,
    places: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Histories of one length: rows (B, places), -1 where a place is empty, and values (B, places, width)."""
    rows = np.full((len(history_rows), places), -1, dtype=np.int64)
    values = np.zeros((len(history_rows), places, width), dtype=np.float32)
    for index, (at, carried) in enumerate(zip(history_rows, history_values, strict=True)):
        if np.size(carried) != len(at) * width:
            found = f"{len(at)} history items but {np.size(carried)} values"
            raise ValueError(f"make_batch: example {index} has {found}; {width} values go with each item")
        kept = min(len(at), places)
        rows[index, :kept] = at[:kept]
        values[index, :kept] = np.reshape(carried, (-1, width))[:kept]
    return rows, values


def _distinct(rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """Of rows of `vectors`, -1 for none: each distinct vector once, (V, D), and its place there for every row; 0 for none."""
    distinct, inverse = np.unique(np.append(rows, -1), return_inverse=True)
    gathered = np.zeros((len(distinct), vectors.shape[1]), dtype=np.float32)
    gathered[1:] = vectors[distinct[1:]]
    return torch.from_numpy(gathered), torch.from_numpy(inverse[:-1].reshape(rows.shape).astype(np.int64))


def concatenate(first: Batch, second: Batch) -> Batch:
    """One batch of the examples of `first`, then those of `second`."""
    shift = len(first.vectors_VD)
    return Batch(
        x_BF=torch.cat((first.x_BF, second.x_BF)),
        vectors_VD=torch.cat((first.vectors_VD, second.vectors_VD)),
        item_B=torch.cat((first.item_B, second.item_B + shift)),
        history_BN=torch.cat((first.history_BN, second.history_BN + shift)),
        history_values_BNS=torch.cat((first.history_values_BNS, second.history_values_BNS)),
        history_mask_BN=torch.cat((first.history_mask_BN, second.history_mask_BN)),
        labels_BT=torch.cat((first.labels_BT, second.labels_BT)),
        lower_bounds_BT=torch.cat((first.lower_bounds_BT, second.lower_bounds_BT)),
        ids_B3=torch.cat((first.ids_B3, second.ids_B3)),
    )
