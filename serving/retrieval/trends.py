"""Owns by which numbers items trend and are new."""

import numpy as np
from numpy.typing import NDArray

from feature_repo.counters import ALL, DAY, MONTH, decay
from feature_repo.items.table import ItemTable

__all__ = ["newest", "trending"]

_ACTIONS = 1  # second of a row's counters, see Vocabulary.counters


def trending(table: ItemTable, rows_M: NDArray[np.intp], now: float) -> NDArray[np.float64]:
    """Actions a day by the day's counter, then the month's, then all: the slower ones decide where the faster are silent."""
    # Without the lock, which a million rows would hold for long: a trend may miss a moment.
    actions_MH = table.counters[rows_M, _ACTIONS] * decay(now - table.updated_at[rows_M])
    trend_M: NDArray[np.float64] = actions_MH[:, DAY] + actions_MH[:, MONTH] / 30.0 + actions_MH[:, ALL] / 3650.0
    return trend_M


def newest(table: ItemTable, rows_M: NDArray[np.intp], now: float) -> NDArray[np.float64]:
    """Time of publication; what has none, or is to come, goes last."""
    published_M = table.published_at[rows_M]
    return np.where((published_M != 0.0) & (published_M <= now), published_M, -np.inf)
