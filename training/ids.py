"""Learned vectors of users and items by their ids: a table of fixed size, in which what was not seen for long makes room.

Source: Monolith (Liu et al., 2022, arXiv 2209.07663), section 2.1: ids share no vector, rare ones have none, old ones expire.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn

__all__ = ["IdEmbedding", "hashed_item", "hashed_user", "hashes"]

_DAY = 86_400


class IdEmbedding(nn.Module):
    """Vectors of users and items; zeros for an id that has no row.

    An id's hash names the one row that it can have. Who comes first keeps it until not seen for `days` of the examples' own
    time. Another id of that row has none meanwhile, so ids that collide never learn into each other's vector. A row begins at
    zero, after the id's first example: an id of a single example is never learned, unless that is replayed.
    """

    owner_R: Tensor
    seen_R: Tensor

    def __init__(self, rows: int, width: int, *, days: float) -> None:
        super().__init__()
        self.vectors = nn.Embedding(rows, width)
        nn.init.zeros_(self.vectors.weight)
        self._kept_seconds = round(days * _DAY)
        self.register_buffer("owner_R", torch.zeros(rows, dtype=torch.int64))
        self.register_buffer("seen_R", torch.zeros(rows, dtype=torch.int64))

    def forward(self, ids_B3: Tensor) -> Tensor:
        """Vectors of user and item and their product, (B, 3 * width); for `Batch.ids_B3`."""
        ids_B2 = ids_B3[:, :2]
        rows_B2 = ids_B2 % len(self.owner_R)
        owned_B21 = ((self.owner_R[rows_B2] == ids_B2) & (ids_B2 != 0)).unsqueeze(2)
        user_BE, item_BE = (self.vectors(rows_B2) * owned_B21).unbind(1)
        return torch.cat((user_BE, item_BE, user_BE * item_BE), dim=1)

    @torch.no_grad()
    def observe(self, ids_B3: Tensor) -> None:
        """Frees rows that were not seen for long, and gives free ones to the batch's ids."""
        ids, at = ids_B3[:, :2].flatten(), ids_B3[:, 2].repeat_interleave(2)
        ids, at = ids[ids != 0], at[ids != 0]
        if not len(ids):
            return
        expired_R = (self.owner_R != 0) & (self.seen_R < at.max() - self._kept_seconds)
        self.owner_R[expired_R] = 0
        rows = ids % len(self.owner_R)
        free = self.owner_R[rows] == 0
        # Of several new ids of one row the largest hash gets it, whatever their order.
        self.owner_R.scatter_reduce_(0, rows[free], ids[free], "amax")
        self.seen_R[rows[free]] = 0
        self.vectors.weight[rows[free]] = 0.0
        own = self.owner_R[rows] == ids
        self.seen_R.scatter_reduce_(0, rows[own], at[own], "amax")


@lru_cache(maxsize=1 << 17)
def hashed_user(user_id: str) -> int:
    """Hash of a user's id, 1 to 2^63 - 1; 0 for none."""
    return _hashed("user", user_id)


@lru_cache(maxsize=1 << 17)
def hashed_item(item_id: str) -> int:
    """Hash of an item's id, 1 to 2^63 - 1, another one than that of a user called the same; 0 for none."""
    return _hashed("item", item_id)


def hashes(owners: Iterable[tuple[str, str, float]]) -> list[tuple[int, int, int]]:
    """Ids of user and item and Unix seconds as `make_batch` takes them."""
    return [(hashed_user(user_id), hashed_item(item_id), int(at)) for user_id, item_id, at in owners]


def _hashed(kind: str, name: str) -> int:
    if not name:
        return 0
    digest = hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1 or 1
