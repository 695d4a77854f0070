"""Recent examples that are kept: the trainer draws some to learn again, the guard judges by those held out."""

from typing import Any

import torch
from torch import Tensor

from training.batch import Batch

__all__ = ["Replay"]


class Replay:
    """A ring of the last `capacity` examples; each distinct text vector is held once, however many examples name it."""

    def __init__(self, *, capacity: int, seed: int) -> None:
        if capacity < 1:
            raise ValueError(f"Replay: capacity must be 1 or more, not {capacity}")
        self._capacity = capacity
        self._rng = torch.Generator().manual_seed(seed)
        self._added = 0
        self._ring: dict[str, Tensor] = {}
        self._vectors_PD = torch.zeros(0, 0)
        self._used = 0
        self._slots: dict[bytes, int] = {}

    def __len__(self) -> int:
        return min(self._added, self._capacity)

    def add(self, batch: Batch) -> None:
        """Keeps the batch's examples (the last `capacity` of them), in place of the oldest."""
        slots_V = self._intern(batch.vectors_VD)
        columns = {
            "x": batch.x_BF,
            "item": slots_V[batch.item_B],
            "history": slots_V[batch.history_BN],
            "values": batch.history_values_BNS,
            "mask": batch.history_mask_BN,
            "labels": batch.labels_BT,
            "lower_bounds": batch.lower_bounds_BT,
            "ids": batch.ids_B3,
        }
        if not self._ring:
            self._ring = {name: column.new_zeros(self._capacity, *column.shape[1:]) for name, column in columns.items()}
        start = max(len(batch) - self._capacity, 0)
        places = (self._added + torch.arange(start, len(batch))) % self._capacity
        for name, column in columns.items():
            self._ring[name][places] = column[start:]
        self._added += len(batch)
        # Without this, vectors that no example names any more would pile up forever.
        if self._used > 4096 and self._used > 2 * (live := self._live()).numel():
            self._keep(live)

    def sample(self, count: int) -> Batch:
        """`count` examples drawn uniformly, with replacement; raises ValueError while there are none."""
        if not self._added:
            raise ValueError("Replay: nothing to sample from yet; add a batch first")
        return self._gather(torch.randint(len(self), (count,), generator=self._rng))

    def all(self) -> Batch:
        """All that is kept, the oldest first; raises ValueError while there is nothing."""
        if not self._added:
            raise ValueError("Replay: nothing is kept yet; add a batch first")
        return self._gather(torch.arange(self._added - len(self), self._added) % self._capacity)

    def forget(self, count: int) -> None:
        """Takes the labels off the last `count` examples, so that sampling them teaches nothing."""
        if self._ring:
            first = self._added - min(count, len(self))
            places = torch.arange(first, self._added) % self._capacity
            self._ring["labels"][places] = self._ring["lower_bounds"][places] = torch.nan

    def _gather(self, chosen: Tensor) -> Batch:
        item_B, history_BN = self._ring["item"][chosen], self._ring["history"][chosen]
        return Batch(
            x_BF=self._ring["x"][chosen],
            **self._localised(item_B, history_BN),
            history_values_BNS=self._ring["values"][chosen],
            history_mask_BN=self._ring["mask"][chosen],
            labels_BT=self._ring["labels"][chosen],
            lower_bounds_BT=self._ring["lower_bounds"][chosen],
            ids_B3=self._ring["ids"][chosen],
        )

    def state_dict(self) -> dict[str, Any]:
        """All that later samples depend on, as copies."""
        size = len(self)
        return {
            "added": self._added,
            "rng": self._rng.get_state(),
            "ring": {name: column[:size].clone() for name, column in self._ring.items()},
            "vectors": self._vectors_PD[: self._used].clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the state of another ring of the same capacity; raises ValueError if it cannot hold it."""
        rows = len(state["ring"]["x"]) if state["ring"] else 0
        if rows != min(state["added"], self._capacity):
            raise ValueError(f"Replay: {rows} saved examples do not fit a capacity of {self._capacity}; keep the capacity")
        self._added = state["added"]
        self._rng.set_state(state["rng"])
        self._ring = {}
        ring = dict(state["ring"])
        if ring:  # a checkpoint of before labels could be censored has no bounds, one of before ids could be learned no ids
            ring.setdefault("lower_bounds", torch.full_like(ring["labels"], torch.nan))
            ring.setdefault("ids", torch.zeros(rows, 3, dtype=torch.int64))
        for name, column in ring.items():
            self._ring[name] = column.new_zeros(self._capacity, *column.shape[1:])
            self._ring[name][:rows] = column
        self._vectors_PD, self._used = state["vectors"].clone(), len(state["vectors"])
        self._index()

    def _localised(self, item_B: Tensor, history_BN: Tensor) -> dict[str, Tensor]:
        size, zero = len(item_B), torch.zeros(1, dtype=torch.int64)
        named, inverse = torch.unique(torch.cat((zero, item_B, history_BN.flatten())), return_inverse=True)
        return {
            "vectors_VD": self._vectors_PD[named],
            "item_B": inverse[1 : size + 1],
            "history_BN": inverse[size + 1 :].view(size, -1),
        }

    def _intern(self, vectors_VD: Tensor) -> Tensor:
        """Slot of each vector, (V,); new ones are stored. Slot 0 is the zero vector, as row 0 is in every batch."""
        slots = []
        for vector_D, row in zip(vectors_VD, vectors_VD.numpy(), strict=True):
            key = row.tobytes()
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = self._used
                if slot == len(self._vectors_PD):
                    grown = vectors_VD.new_zeros(max(1024, 2 * slot), vectors_VD.shape[1])
                    if slot:
                        grown[:slot] = self._vectors_PD
                    self._vectors_PD = grown
                self._vectors_PD[slot] = vector_D
                self._used += 1
            slots.append(slot)
        return torch.tensor(slots)

    def _live(self) -> Tensor:
        size = len(self)
        named = (torch.zeros(1, dtype=torch.int64), self._ring["item"][:size], self._ring["history"][:size].flatten())
        live: Tensor = torch.unique(torch.cat(named))
        return live

    def _keep(self, live: Tensor) -> None:
        moved = torch.zeros(self._used, dtype=torch.int64)
        moved[live] = torch.arange(len(live))
        self._ring["item"] = moved[self._ring["item"]]
        self._ring["history"] = moved[self._ring["history"]]
        self._vectors_PD, self._used = self._vectors_PD[live], len(live)
        self._index()

    def _index(self) -> None:
        self._slots = {row.tobytes(): slot for slot, row in enumerate(self._vectors_PD[: self._used].numpy())}
