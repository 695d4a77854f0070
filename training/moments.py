"""Running means and variances of streamed columns, by which features and targets are standardised."""

import torch
from torch import Tensor, nn

__all__ = ["RunningMoments"]

_DEVIATIONS = 5.0
"""Standard deviations from the mean beyond which a value counts as one of so many."""
_SURE = 32
"""Observations from which on a column's own moments say what is far."""
_FEW = 10
"""Observations in a batch of which one is left out as extreme; of fewer none can be told."""
_BEYOND_BATCH = 3.0
"""Times the distance within which the rest of a batch lies."""


class RunningMoments(nn.Module):
    """Mean and variance of each column over roughly the last `memory` observations.

    Batches are merged as in Chan, Golub and LeVeque (1979), eq. 2.1; once a column has `memory` observations its count stops
    growing, so older ones fade and drift is followed. `forward` never changes the state: only `observe` does.

    Where `winsorised` (Huber and Ronchetti, Robust Statistics, 2009, ch. 1), a value beyond five deviations, and beyond three
    times what holds nine tenths of its batch, counts as one that far out. So a forged value moves the moments as little as an
    unusual one, and a column that changes for many examples at once is followed at once.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, columns: int, *, memory: float = 100_000.0, winsorised: bool = False) -> None:
        """Args: `winsorised` for values that anyone may send; what is bounded elsewhere, such as labels, needs it not."""
        super().__init__()
        self.winsorised = winsorised
        self.memory = memory
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("variance", torch.ones(columns))
        self.register_buffer("count", torch.zeros(columns))

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of each column, never below 0.001, so that a constant column divides safely."""
        return self.variance.sqrt().clamp_min(1e-3)

    @torch.no_grad()
    def observe(self, values_BK: Tensor) -> None:
        """Folds in rows of values; those that are not finite are passed over."""
        known = values_BK.isfinite()
        values_BK = self._drawn_in(values_BK, known) if self.winsorised else torch.where(known, values_BK, 0.0)
        count = known.sum(0).to(values_BK.dtype)
        divisor = count.clamp_min(1.0)
        mean = values_BK.sum(0) / divisor
        variance = torch.where(known, (values_BK - mean).square(), 0.0).sum(0) / divisor
        total = (self.count + count).clamp_min(1.0)
        shift = mean - self.mean
        merged = (self.count * self.variance + count * variance + shift.square() * self.count * count / total) / total
        self.variance.copy_(torch.where(count > 0, merged, self.variance))
        self.mean.add_(shift * count / total)
        self.count.add_(count).clamp_(max=self.memory)

    def _drawn_in(self, values_BK: Tensor, known_BK: Tensor) -> Tensor:
        """The values, those far out drawn in; 0 where unknown."""
        sure_K, count_K = self.count >= _SURE, known_BK.sum(0)
        ordered_BK = torch.where(known_BK, values_BK, torch.inf).sort(dim=0).values
        median_K = ordered_BK.gather(0, ((count_K - 1).clamp_min(0) // 2)[None])[0]
        centre_K = torch.where(sure_K, self.mean, torch.where(count_K > 0, median_K, 0.0))
        distance_BK = torch.where(known_BK, (values_BK - centre_K).abs(), torch.inf).sort(dim=0).values
        rest_K = distance_BK.gather(0, (count_K - 1 - count_K // _FEW).clamp_min(0)[None])[0]
        nothing_K = torch.where(sure_K, 0.0, torch.inf)
        limit_K = torch.where(count_K >= _FEW, _BEYOND_BATCH * rest_K, nothing_K).maximum(_DEVIATIONS * self.deviation)
        drawn_BK = torch.where(known_BK, values_BK, centre_K).clamp(centre_K - limit_K, centre_K + limit_K)
        return torch.where(known_BK, drawn_BK, 0.0)

    def forward(self, values_BK: Tensor) -> Tensor:
        """Values in standard deviations from the mean, within 5 either way; unknown ones become the mean, 0."""
        standard = ((values_BK - self.mean) / self.deviation).clamp(-_DEVIATIONS, _DEVIATIONS)
        return torch.where(standard.isnan(), 0.0, standard)
