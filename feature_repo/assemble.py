"""Owns how stored rows become the model's inputs: one function for the server, the example joiner and replay alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.audience import affinities
from feature_repo.counters import ALL, DAY, MONTH, decay
from feature_repo.occurrence import Served
from feature_repo.rows import UserRow
from feature_repo.table import ItemTable
from feature_repo.vocabulary import HISTORY

__all__ = ["Assembled", "assemble", "assemble_served"]

_PRIOR_COUNT = 5.0  # observations that a prior is worth against an item's or a user's own
_BIAS_COUNT = 3.0
_SESSION_SECONDS = 1800.0
_TEXT_SHARPNESS = 15.0
_AFFINITY_FLOORS_4 = np.array([0.02, 1.0, 1.0, 1.0], dtype=np.float32)  # by text, categories, popularity, age
_SLOPE_RIDGES_3 = np.array([2.0, 10.0, 10.0])  # by the item's mean, popularity, age
_AGE_WIDTH = 0.5  # of log age: items half as old again are alike


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

    Labels of the user's recent engagements count as residuals against what the item usually gets, the user's own label
    left out (a residual against itself would leak towards zero). Of a task that impressions label, engagements hold the
    positives alone; the bias is then what all of the user's impressions came to, less what is usual. Affinities are
    kernel-weighted means of residuals over the history: by cosine of text vectors, by overlap of categories, and by what
    the same people think of both items.
    """
    tasks = len(table.vocabulary.tasks)
    size, known_B = len(item_rows_B), item_rows_B >= 0
    priors_T = table.priors()

    # Items
    counters_BCH = table.counters[item_rows_B] * decay(now - table.updated_at[item_rows_B])[:, None, :]
    counters_BCH[~known_B] = 0.0
    n_BTH, sum_BTH = counters_BCH[:, 2 : 2 + tasks], counters_BCH[:, 2 + tasks :]
    mean_BT = (sum_BTH[..., ALL] + _PRIOR_COUNT * priors_T) / (n_BTH[..., ALL] + _PRIOR_COUNT)
    trend_BT = (sum_BTH[..., MONTH] + _PRIOR_COUNT * mean_BT) / (n_BTH[..., MONTH] + _PRIOR_COUNT) - mean_BT

    # The user's history as residuals
    history_N = table.rows(row.recent_ids)
    age_N = np.maximum(now - row.recent_R[:, 0], 0.0)
    label_NT = row.recent_R[:, 1:]
    known_NT = ~np.isnan(label_NT)
    seen_NCH = table.counters[history_N][:, 2:, ALL]
    others_NT = np.maximum(seen_NCH[:, :tasks] - known_NT, 0.0)
    own_NT = np.where(known_NT & (seen_NCH[:, :tasks] >= 1.0), label_NT, 0.0)
    usual_NT = (seen_NCH[:, tasks:] - own_NT + _PRIOR_COUNT * priors_T) / (others_NT + _PRIOR_COUNT)
    residual_NT = np.where(known_NT, label_NT - usual_NT, 0.0)

    # The user
    user_CH = row.counters_CH * decay(now - row.updated_at)
    user_n_T, user_sum_T = user_CH[2 : 2 + tasks, ALL], user_CH[2 + tasks :, ALL]
    user_mean_T = (user_sum_T + _PRIOR_COUNT * priors_T) / (user_n_T + _PRIOR_COUNT)
    centre_T = residual_NT.sum(axis=0) / (known_NT.sum(axis=0) + _BIAS_COUNT)
    bias_T = np.where(table.vocabulary.implicit, user_mean_T - priors_T, centre_T)
    session_N = np.exp2(-age_N / _SESSION_SECONDS)
    centred_NT = np.where(known_NT, residual_NT - centre_T, 0.0)
    session_T = session_N @ centred_NT / (session_N @ known_NT + 1.0)
    first_T = residual_NT[0] if len(age_N) else np.zeros(tasks)
    first3_T = residual_NT[:3].sum(axis=0) / 3.0

    # The two together
    # float32 from here on: these are the arrays with a cell for each pair, and what the model sees is float32 as well.
    cosine_BN = table.vectors[item_rows_B] @ table.vectors[history_N].T
    cosine_BN[~known_B] = 0.0
    category_BN = _overlap(table.categories[item_rows_B], table.categories[history_N])
    category_BN[~known_B] = 0.0
    # Of impressions, engagements and each task's labels; not of their sums, which may be less than -1.
    log_counts_BC = np.log1p(counters_BCH[:, : 2 + tasks, ALL])
    popularity_B, popularity_N = log_counts_BC[:, 1], np.log1p(table.counters[history_N, 1, ALL])
    published_B, published_N = table.published_at[item_rows_B], table.published_at[history_N]
    dated_B, dated_N = known_B & (published_B != 0.0), published_N != 0.0
    log_age_B = np.where(dated_B, np.log1p(np.maximum(now - published_B, 0.0)), 0.0)
    log_age_N = np.where(dated_N, np.log1p(np.maximum(now - published_N, 0.0)), 0.0)
    kernels_4BN = np.empty((4, size, len(age_N)), dtype=np.float32)
    np.multiply(cosine_BN - 1.0, _TEXT_SHARPNESS, out=kernels_4BN[0])
    kernels_4BN[1] = category_BN
    np.square(np.subtract.outer(popularity_B.astype(np.float32), popularity_N.astype(np.float32)), out=kernels_4BN[2])
    np.abs(np.subtract.outer(log_age_B.astype(np.float32), log_age_N.astype(np.float32)), out=kernels_4BN[3])
    kernels_4BN[2] *= -1.0
    kernels_4BN[3] *= -1.0 / _AGE_WIDTH
    for at in (0, 2, 3):
        np.exp(kernels_4BN[at], out=kernels_4BN[at])
    kernels_4BN[0, ~known_B] = 0.0
    kernels_4BN[3] *= np.logical_and.outer(dated_B, dated_N)
    weighed_NU = np.concatenate((centred_NT, known_NT), axis=1, dtype=np.float32)
    weighed_4BU = kernels_4BN @ weighed_NU
    kernel_4BT = weighed_4BU[..., :tasks] / (weighed_4BU[..., tasks:] + _AFFINITY_FLOORS_4[:, None, None])
    audience_BT = affinities(
        table.places[item_rows_B], table.opinions[item_rows_B], table.places[history_N], table.opinions[history_N], centred_NT
    )
    audience_BT[~known_B] = 0.0
    values_B3T, values_N3T = np.empty((size, 3, tasks)), np.empty((len(age_N), 3, tasks))
    for at, (of_B, of_N) in enumerate(((mean_BT, usual_NT), (popularity_B, popularity_N), (log_age_B, log_age_N))):
        values_B3T[:, at] = of_B if of_B.ndim == 2 else of_B[:, None]
        values_N3T[:, at] = of_N if of_N.ndim == 2 else of_N[:, None]
    slopes_B3T = _slopes(values_B3T, values_N3T, centred_NT, known_NT)
    slopes_B3T[:, 2] *= dated_B[:, None]

    user = (user_mean_T, np.log1p(user_n_T), bias_T, session_T, first_T, first3_T)
    any_history = len(age_N) > 0
    item_silence_B = np.where(known_B, np.maximum(now - table.updated_at[item_rows_B], 0.0), 0.0)
    context = (
        np.log1p(max(now - row.updated_at, 0.0)) if row.updated_at else 0.0,
        np.log1p(session_N.sum()),
        np.log1p(user_CH[1, DAY]),
        np.log1p(max(now - row.first_at, 0.0)) if row.first_at else 0.0,
        np.log1p(user_CH[0, ALL]),
        log_counts_BC[:, 0],
        np.log1p(counters_BCH[:, 0, DAY]),
        np.log1p(item_silence_B),
        log_age_B,
        cosine_BN.max(axis=1) if any_history else 0.0,
        cosine_BN.mean(axis=1) if any_history else 0.0,
        category_BN.mean(axis=1) if any_history else 0.0,
        float(row.updated_at > 0.0),
        known_B,
    )
    x_BF = np.empty((size, len(table.vocabulary.features)), dtype=np.float32)
    slopes = (slopes_B3T[:, at] for at in range(3))
    blocks = (mean_BT, trend_BT, log_counts_BC[:, 2:], *user, *kernel_4BT, audience_BT, *slopes, mean_BT + bias_T)
    for at, block in enumerate(blocks):
        x_BF[:, at * tasks : (at + 1) * tasks] = block
    for at, column in enumerate(context, start=len(blocks) * tasks):
        x_BF[:, at] = column

    values_NT1 = np.empty((min(len(age_N), HISTORY), tasks + 1), dtype=np.float32)
    values_NT1[:, :tasks] = residual_NT[:HISTORY]
    values_NT1[:, tasks] = np.log1p(age_N[:HISTORY])
    return Assembled(x_BF=x_BF, item_rows_B=item_rows_B, history_rows_N=history_N[:HISTORY], history_values_NT1=values_NT1)


def assemble_served(row: UserRow, table: ItemTable, item_id: str, now: float) -> Served:
    """The inputs of one user and one item in the form that an impression carries them."""
    made = assemble(row, table, table.rows((item_id,)), now)
    return Served(
        fingerprint=table.vocabulary.fingerprint,
        features=made.x_BF[0],
        history_item_ids=row.recent_ids[:HISTORY],
        history_values=made.history_values_NT1.ravel(),
    )


def _overlap(mine_BW: NDArray[np.uint64], theirs_NW: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Share that two sets of categories have in common (Jaccard), (B, N); 0 where both are empty.

    A product of bits as floats counts common ones several times as fast as a bitwise `and` of all pairs would; it takes those
    bits alone that one of theirs has.
    """
    theirs_NK = np.unpackbits(theirs_NW.view(np.uint8), axis=1)
    used = np.flatnonzero(theirs_NK.any(axis=0))
    mine_BK = np.unpackbits(mine_BW.view(np.uint8), axis=1)[:, used].astype(np.float32)
    both_BN: NDArray[np.float32] = mine_BK @ theirs_NK[:, used].T.astype(np.float32)
    sizes_B, sizes_N = (np.bitwise_count(held).sum(axis=1, dtype=np.float32) for held in (mine_BW, theirs_NW))
    either_BN = np.add.outer(sizes_B, sizes_N) - both_BN
    share_BN: NDArray[np.float32] = both_BN / np.maximum(either_BN, 1.0)
    return share_BN


def _slopes(
    values_B3T: NDArray[np.float64],
    values_N3T: NDArray[np.float64],
    centred_NT: NDArray[np.float64],
    known_NT: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """How the user's residuals rise with three quantities of items, times where the candidate lies on each: (B, 3, T)."""
    known_N1T = known_NT[:, None]
    count_T = np.maximum(known_NT.sum(axis=0), 1)
    middle_3T = (values_N3T * known_N1T).sum(axis=0) / count_T
    off_N3T = (values_N3T - middle_3T) * known_N1T
    slope_3T = (centred_NT[:, None] * off_N3T).sum(axis=0) / ((off_N3T**2).sum(axis=0) + _SLOPE_RIDGES_3[:, None])
    risen_B3T: NDArray[np.float64] = slope_3T * (values_B3T - middle_3T)
    return risen_B3T
