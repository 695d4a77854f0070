"""Features of single rows, aged to one time: items, a user's engagements, and the user."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.counters import ALL, DAY, MONTH, decay
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.vocabulary import Vocabulary

__all__ = ["Items", "Past", "User", "items_at", "past_at", "user_at"]

_PRIOR_COUNT = 5.0  # observations that a prior is worth against an item's or a user's own
_BIAS_COUNT = 3.0  # the same for having no bias
_SESSION_SECONDS = 1800.0


@dataclass(kw_only=True, slots=True)
class Items:
    """B items; all zeros where one is unknown, and its means are the priors."""

    known_B: NDArray[np.bool_]
    touched_B: NDArray[np.bool_]
    """Whether it was shown or acted on; of an untouched one nothing tells of activity, not even that there is little."""
    mean_BT: NDArray[np.float64]
    trend_BT: NDArray[np.float64]
    """How far the mean of the last month is from that of all time."""
    log_counts_BC: NDArray[np.float64]
    """log1p of impressions, actions and each task's observations."""
    log_impressions_day_B: NDArray[np.float64]
    dated_B: NDArray[np.bool_]
    log_age_B: NDArray[np.float64]
    """log1p of seconds since publication, 0 where that is not known."""
    log_silence_B: NDArray[np.float64]
    type_BK: NDArray[np.float32]
    """What type of item it is, as `feature_repo.items.table.type_signs` puts it."""


@dataclass(kw_only=True, slots=True)
class Past:
    """The N engagements of a user that are remembered, the most recent first."""

    rows_N: NDArray[np.intp]
    age_N: NDArray[np.float64]
    """Seconds ago."""
    known_NT: NDArray[np.bool_]
    """Where there is a label."""
    usual_NT: NDArray[np.float64]
    """What the item gets from others."""
    residual_NT: NDArray[np.float64]
    """The label less what is usual; 0 where there is none."""
    log_count_N: NDArray[np.float64]
    dated_N: NDArray[np.bool_]
    log_age_N: NDArray[np.float64]


@dataclass(kw_only=True, slots=True)
class User:
    """One user: what holds for all items alike."""

    mean_T: NDArray[np.float64]
    log_observed_T: NDArray[np.float64]
    bias_T: NDArray[np.float64]
    """How far above the usual the user's labels lie."""
    centred_NT: NDArray[np.float64]
    """Residuals of the past less their usual; 0 where there is no label."""
    session_T: NDArray[np.float64]
    """Mean of these, weighted by how recent they are."""
    first_T: NDArray[np.float64]
    first3_T: NDArray[np.float64]
    """Residual of the latest engagement, and the mean of the latest three."""
    log_session: float
    log_actions_day: float
    log_impressions: float
    log_silence: float
    log_tenure: float


def items_at(table: ItemTable, rows_B: NDArray[np.intp], priors_T: NDArray[np.float64], now: float) -> Items:
    """The items in these rows of the table, -1 for an unknown one, at time `now` (Unix seconds)."""
    tasks, known_B = len(priors_T), rows_B >= 0
    with table.lock:
        counters_BCH, updated_at_B = table.counters[rows_B], table.updated_at[rows_B]
    counters_BCH[~known_B] = 0.0
    left_BH = decay(now - updated_at_B)
    all_BC, month_BC = counters_BCH[..., ALL], counters_BCH[:, 2:, MONTH] * left_BH[:, MONTH, None]
    mean_BT = (all_BC[:, 2 + tasks :] + _PRIOR_COUNT * priors_T) / (all_BC[:, 2 : 2 + tasks] + _PRIOR_COUNT)
    recent_BT = (month_BC[:, tasks:] + _PRIOR_COUNT * mean_BT) / (month_BC[:, :tasks] + _PRIOR_COUNT)
    dated_B, log_age_B = _ages(table.published_at[rows_B], now)
    dated_B &= known_B
    touched_B = np.logical_or.reduce(all_BC != 0.0, axis=1)
    return Items(
        known_B=known_B,
        touched_B=touched_B,
        mean_BT=mean_BT,
        trend_BT=recent_BT - mean_BT,
        # Not of the sums of labels, which may be less than -1.
        log_counts_BC=np.log1p(all_BC[:, : 2 + tasks]),
        log_impressions_day_B=np.log1p(counters_BCH[:, 0, DAY] * left_BH[:, DAY]),
        dated_B=dated_B,
        log_age_B=log_age_B * dated_B,
        log_silence_B=np.log1p(np.maximum(now - updated_at_B, 0.0)) * touched_B,
        type_BK=table.types[rows_B] * known_B[:, None],
    )


def past_at(row: UserRow, table: ItemTable, priors_T: NDArray[np.float64], now: float) -> Past:
    """Labels count as residuals against what the item usually gets, the user's own label left out.

    A residual against itself would leak towards zero.
    """
    tasks, rows_N = len(priors_T), table.rows(row.recent_ids)
    counters_NC = table.counters[rows_N, :, ALL]
    observed_NT, sums_NT = counters_NC[:, 2 : 2 + tasks], counters_NC[:, 2 + tasks :]
    label_NT = row.recent_R[:, 1:]
    known_NT = ~np.isnan(label_NT)
    own_NT = np.where(known_NT & (observed_NT >= 1.0), label_NT, 0.0)
    usual_NT = (sums_NT - own_NT + _PRIOR_COUNT * priors_T) / (np.maximum(observed_NT - known_NT, 0.0) + _PRIOR_COUNT)
    dated_N, log_age_N = _ages(table.published_at[rows_N], now)
    return Past(
        rows_N=rows_N,
        age_N=np.maximum(now - row.recent_R[:, 0], 0.0),
        known_NT=known_NT,
        usual_NT=usual_NT,
        residual_NT=np.where(known_NT, label_NT - usual_NT, 0.0),
        log_count_N=np.log1p(counters_NC[:, 1]),
        dated_N=dated_N,
        log_age_N=log_age_N,
    )


def user_at(row: UserRow, past: Past, vocabulary: Vocabulary, priors_T: NDArray[np.float64], now: float) -> User:
    """Of a task that impressions label, engagements hold the positives alone: the bias is then what all of the user's
    impressions came to, less what is usual; of other tasks it is the mean residual of the engagements.
    """
    tasks, counters_CH = len(priors_T), row.counters_CH * decay(now - row.updated_at)
    observed_T, sums_T = counters_CH[2 : 2 + tasks, ALL], counters_CH[2 + tasks :, ALL]
    mean_T = (sums_T + _PRIOR_COUNT * priors_T) / (observed_T + _PRIOR_COUNT)
    centre_T = past.residual_NT.sum(axis=0) / (past.known_NT.sum(axis=0) + _BIAS_COUNT)
    centred_NT = np.where(past.known_NT, past.residual_NT - centre_T, 0.0)
    session_N = np.exp2(-past.age_N / _SESSION_SECONDS)
    return User(
        mean_T=mean_T,
        log_observed_T=np.log1p(observed_T),
        bias_T=np.where(vocabulary.implicit, mean_T - priors_T, centre_T),
        centred_NT=centred_NT,
        session_T=session_N @ centred_NT / (session_N @ past.known_NT + 1.0),
        first_T=past.residual_NT[:1].sum(axis=0),
        first3_T=past.residual_NT[:3].sum(axis=0) / 3.0,
        log_session=math.log1p(session_N.sum()),
        log_actions_day=math.log1p(counters_CH[1, DAY]),
        log_impressions=math.log1p(counters_CH[0, ALL]),
        log_silence=math.log1p(max(now - row.updated_at, 0.0)) if row.updated_at else 0.0,
        log_tenure=math.log1p(max(now - row.first_at, 0.0)) if row.first_at else 0.0,
    )


def _ages(published_at: NDArray[np.float64], now: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    dated = published_at != 0.0
    return dated, np.log1p(np.maximum(now - published_at, 0.0)) * dated
