"""Owns a Prometheus histogram that takes a batch of values for the price of a few; one by one they cost as much as an event."""

import numpy as np
from numpy.typing import ArrayLike
from prometheus_client import Histogram

__all__ = ["BatchHistogram"]


class BatchHistogram(Histogram):
    """A histogram that can also observe many values at once, where it has labels by `labels(...)`."""

    def observe_all(self, values_B: ArrayLike) -> None:
        """The same as `observe` of each."""
        values_B = np.asarray(values_B, dtype=float)
        buckets = np.searchsorted(np.array(self._upper_bounds), values_B)
        for bucket, count in enumerate(np.bincount(buckets, minlength=len(self._buckets)).tolist()):
            if count:
                self._buckets[bucket].inc(count)
        self._sum.inc(float(values_B.sum()))
