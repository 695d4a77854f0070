"""Owns fixed weights, and the form of all methods that weigh losses."""

from collections.abc import Sequence

from torch import Tensor, nn

from training.balancing.protocol import Balancing

__all__ = ["FixedWeights"]


class FixedWeights(Balancing):
    """Each task weighs what the tasks file says, as a share of the whole."""

    def combine(self, losses_T: Tensor, known_T: Tensor) -> Tensor:
        """The scalar that is descended."""
        return losses_T @ self.shares_T

    def backward(self, losses_T: Tensor, known_T: Tensor, *, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> None:
        """Descends the combined loss."""
        self.combine(losses_T, known_T).backward()  # type: ignore[no-untyped-call]  # torch does not type it
