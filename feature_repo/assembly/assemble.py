"""Assembly of model inputs from stored rows: one function for the server, the example joiner and replay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.affinity import kernels, overlap, slopes, weighted_means
from feature_repo.assembly.aged_features import items_at, past_at, user_at
from feature_repo.audience import affinities
from feature_repo.decoded_event import Served
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.vocabulary import HISTORY

__all__ = ["Assembled", "assemble", "assemble_served"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembled:
    """Inputs of one user and B items. N is at most HISTORY; T tasks; F features in the vocabulary's order."""

    x_BF: NDArray[np.float32]
    item_rows_B: NDArray[np.intp]
    """Row numbers in the item table; -1 for an unknown item."""
    history_rows_N: NDArray[np.intp]
    history_values_NT1: NDArray[np.float32]
    """For each task the label less what the item usually gets (0 where unknown), then log1p of the age in seconds."""


def assemble(row: UserRow, table: ItemTable, item_rows_B: NDArray[np.intp], now: float) -> Assembled:
    """What the model sees of a user and some items at time `now` (Unix seconds), decayed to that time.

    Affinities are by text, categories, popularity and age, and by what the same people think of both items.
    """
    priors_T = table.priors()
    items, past = items_at(table, item_rows_B, priors_T, now), past_at(row, table, priors_T, now)
    user = user_at(row, past, table.vocabulary, priors_T, now)
    known_B, past_rows_N = items.known_B, past.rows_N

    cosine_BN = table.vectors[item_rows_B] @ table.vectors[past_rows_N].T
    cosine_BN[~known_B] = 0.0
    overlap_BN = overlap(table.categories[item_rows_B], table.categories[past_rows_N])
    overlap_BN[~known_B] = 0.0
    affinity_4BT = weighted_means(kernels(cosine_BN, overlap_BN, items, past), user.centred_NT, past.known_NT)
    with table.lock:
        audiences_B = table.places[item_rows_B], table.opinions[item_rows_B]
        audiences_N = table.places[past_rows_N], table.opinions[past_rows_N]
    audience_BT = affinities(*audiences_B, *audiences_N, user.centred_NT)
    audience_BT[~known_B] = 0.0
    slopes_B3T = slopes(items, past, user.centred_NT)
    held = max(len(past_rows_N), 1)

    by_task = (
        *(items.mean_BT, items.trend_BT, items.log_counts_BC[:, 2:]),
        *(user.mean_T, user.log_observed_T, user.bias_T, user.session_T, user.first_T, user.first3_T),
        *(*affinity_4BT, audience_BT, slopes_B3T[:, 0], slopes_B3T[:, 1], slopes_B3T[:, 2], items.mean_BT + user.bias_T),
    )
    by_pair = (
        cosine_BN.max(axis=1) if len(past_rows_N) else 0.0,
        *(cosine_BN.sum(axis=1) / held, overlap_BN.sum(axis=1) / held),
    )
    context = (
        *(user.log_silence, user.log_session, user.log_actions_day, user.log_tenure, user.log_impressions),
        *(items.log_counts_BC[:, 0], items.log_impressions_day_B, items.log_silence_B, items.log_age_B),
        *by_pair,
        *(row.updated_at > 0.0, known_B, *items.type_BK.T),
    )
    return Assembled(
        x_BF=_columns(by_task, context, len(item_rows_B), len(priors_T)),
        item_rows_B=item_rows_B,
        history_rows_N=past_rows_N[:HISTORY],
        history_values_NT1=np.column_stack((past.residual_NT, np.log1p(past.age_N)))[:HISTORY].astype(np.float32),
    )


def _columns(
    by_task: Sequence[NDArray[Any]], context: Sequence[NDArray[Any] | float], size: int, tasks: int
) -> NDArray[np.float32]:
    """The features side by side, in the vocabulary's order: blocks with a column for each task, then single columns."""
    x_BF = np.empty((size, len(by_task) * tasks + len(context)), dtype=np.float32)
    for at, block in enumerate(by_task):
        x_BF[:, at * tasks : (at + 1) * tasks] = block
    for at, column in enumerate(context, start=len(by_task) * tasks):
        x_BF[:, at] = column
    return x_BF


def assemble_served(row: UserRow, table: ItemTable, item_id: str, now: float) -> Served:
    """The inputs of one user and one item in the form that an impression carries them."""
    made = assemble(row, table, table.rows((item_id,)), now)
    return Served(
        fingerprint=table.vocabulary.fingerprint,
        features=made.x_BF[0],
        history_item_ids=row.recent_ids[:HISTORY],
        history_values=made.history_values_NT1.ravel(),
    )
