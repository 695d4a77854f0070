"""Running means and variances of streamed columns, by which features and targets are standardised."""

import torch
from torch import Tensor, nn

__all__ = ["RunningMoments"]


class RunningMoments(nn.Module):
    """Mean and variance of each column over roughly the last `memory` observations.

    Batches are merged as in Chan, Golub and LeVeque (1979), eq. 2.1; once a column has `memory` observations its count stops
    growing, so older ones fade and drift is followed. `forward` never changes the state: only `observe` does.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, columns: int, *, memory: float = 100_000.0) -> None:
        super().__init__()
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
        values_BK = torch.where(known, values_BK, 0.0)
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

    def forward(self, values_BK: Tensor) -> Tensor:
        """Values in standard deviations from the mean, within 5 either way; unknown ones become the mean, 0."""
        standard = ((values_BK - self.mean) / self.deviation).clamp(-5.0, 5.0)
        return torch.where(standard.isnan(), 0.0, standard)
