"""Arithmetic of decayed counters: how they age, and how an event of any time is added to them."""

import numpy as np
from numpy.typing import NDArray

from feature_repo.vocabulary import HALF_LIVES

__all__ = ["ALL", "DAY", "HALF_LIFE_NAMES", "MONTH", "add", "decay"]

HALF_LIFE_NAMES = tuple(name for name, _ in HALF_LIVES)
DAY, MONTH, ALL = (HALF_LIFE_NAMES.index(name) for name in ("1d", "30d", "all"))

_RATES_H = np.array([1.0 / seconds for _, seconds in HALF_LIVES])  # 1/inf is 0: the last one never ages


def decay(seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Share of a count that is left after `seconds`, for every half-life: shape (..., H). Negative ages count as none.

    >>> decay(600.0)[0]
    np.float64(0.5)
    """
    age = np.maximum(np.asarray(seconds, dtype=np.float64), 0.0)
    left: NDArray[np.float64] = np.exp2(-age[..., None] * _RATES_H)
    return left


def add(counters_CH: NDArray[np.float64], updated_at: float, delta_C: NDArray[np.float64], at: float) -> float:
    """Adds what one event at time `at` counts to counters that stand as of `updated_at`, in place.

    An event later than `updated_at` ages the counters to itself; an earlier one is aged to `updated_at`. So the order in
    which events arrive changes rounding only. Returns the new `updated_at`.
    """
    if at > updated_at:
        counters_CH *= np.exp2((updated_at - at) * _RATES_H)
        counters_CH += delta_C[:, None]
        return at
    if at < updated_at:
        counters_CH += delta_C[:, None] * np.exp2((at - updated_at) * _RATES_H)
    else:
        counters_CH += delta_C[:, None]
    return updated_at
