"""Model on ids alone, which has no fresh features: what it has learned about a user or an item is in its weights alone."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.quality.examples import Examples
from benchmarks.quality.headwater import BATCH

__all__ = ["IdsModel", "progressive"]


class IdsModel(nn.Module):
    """Learned vectors and biases of users and items, a small trunk, a logit of `like` and stars."""

    def __init__(self, users: int, items: int, *, width: int = 16, hidden: int = 32) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, width), nn.Embedding(items, width)
        self.user_biases, self.item_biases = nn.Embedding(users, 2), nn.Embedding(items, 2)
        self.trunk = nn.Sequential(nn.Linear(3 * width, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        for biases in (self.user_biases, self.item_biases):
            nn.init.zeros_(biases.weight)
        for vectors in (self.users, self.items):
            nn.init.normal_(vectors.weight, std=0.1)

    def forward(self, users_B: Tensor, items_B: Tensor) -> Tensor:
        """Outputs (B, 2): a logit, and stars less 3.5."""
        user_BE, item_BE = self.users(users_B), self.items(items_B)
        biases_B2: Tensor = self.user_biases(users_B) + self.item_biases(items_B)
        outputs: Tensor = self.trunk(torch.cat((user_BE, item_BE, user_BE * item_BE), dim=1)) + biases_B2
        return outputs

    @torch.inference_mode()
    def predict(self, users_B: Tensor, items_B: Tensor) -> NDArray[np.float32]:
        """(B, 2): probability of a like, stars."""
        outputs_B2 = self(users_B, items_B)
        predictions: NDArray[np.float32] = torch.stack((outputs_B2[:, 0].sigmoid(), outputs_B2[:, 1] + 3.5), dim=1).numpy()
        return predictions


def progressive(
    examples: Examples, *, seed: int, sync_every: Sequence[int], learning_rate: float = 3e-3
) -> dict[int, NDArray[np.float32]]:
    """Predictions (n, 2) by weights that are synced every so many examples, each made before the example was learned."""
    torch.manual_seed(seed)
    model = IdsModel(int(examples.users.max()) + 1, int(examples.items.max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-2, fused=True)
    users, items = torch.from_numpy(examples.users), torch.from_numpy(examples.items)
    labels = torch.from_numpy(examples.labels)
    copies = {every: copy.deepcopy(model) for every in sync_every}
    out = {every: np.empty_like(examples.labels) for every in sync_every}
    for start in range(0, len(examples), BATCH):
        part = slice(start, start + BATCH)
        for every, held in copies.items():
            if start // every != (start - BATCH) // every:
                held.load_state_dict(model.state_dict())
            out[every][part] = held.predict(users[part], items[part])
        outputs_B2 = model(users[part], items[part])
        loss = F.binary_cross_entropy_with_logits(outputs_B2[:, 0], labels[part, 0])
        loss = loss + F.mse_loss(outputs_B2[:, 1] + 3.5, labels[part, 1])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        optimizer.step()
    return out
