"""Predictions made when items were shown, kept until labels come.

A positive is known seconds after its item was shown, a negative after its window. Predicted when they are learned, they would be
predicted by different weights, of which the later ones know more of the same moment: figures come out too good.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from headwater.internal.v1.streams_pb2 import Example
from training.batch import Batch
from training.model import Recommender

__all__ = ["ShownPredictions"]

_AT_ONCE = 1024


class ShownPredictions:
    """What was predicted of the last `capacity` impressions that carry no predictions of a server, on the scale of the labels.

    Impressions wait until `predict`, to be called before weights change: so long they are predicted by the same weights.
    Shape suffixes: C capacity; others as in training/batch.py.
    """

    def __init__(self, *, tasks: int, capacity: int = 131_072) -> None:
        if capacity < 1:
            raise ValueError(f"ShownPredictions: capacity must be 1 or more, not {capacity}")
        self._keys_C = torch.zeros(capacity, dtype=torch.int64)
        self._predictions_CT = torch.zeros(capacity, tasks)
        self._places: dict[int, int] = {}
        self._kept = 0
        self._waiting: list[Example] = []

    def __len__(self) -> int:
        return len(self._places)

    def show(self, example: Example) -> None:
        """Takes an impression, an example without labels."""
        self._waiting.append(example)

    @torch.inference_mode()
    def predict(self, model: Recommender, batch_of: Callable[[Sequence[Example]], Batch]) -> None:
        """Predicts the impressions that were shown since the last time."""
        for start in range(0, len(self._waiting), _AT_ONCE):
            examples = self._waiting[start : start + _AT_ONCE]
            self._keep([_key(example) for example in examples], model.answers(model(batch_of(examples))))
        self._waiting.clear()

    def of(self, examples: Sequence[Example], answers_BT: Tensor, model: Recommender) -> Tensor:
        """Predictions of labelled examples as of when each was shown, (B, T); NaN where they are not known any more.

        Args:
            answers_BT: predictions by the weights before these examples were learned. They count for what was labelled at the
                moment at which it was shown.
        """
        found_BT = torch.full_like(answers_BT, torch.nan)
        served, unserved = list[int](), list[int]()
        for at, example in enumerate(examples):
            (served if len(example.predictions) == answers_BT.shape[1] else unserved).append(at)
        if served:
            found_BT[served] = model.on_label_scale(torch.tensor([list(examples[at].predictions) for at in served]))
        keys = {at: _key(examples[at]) for at in unserved}
        if fresh := [at for at in unserved if keys[at] not in self._places and _is_own(examples[at])]:
            self._keep([keys[at] for at in fresh], answers_BT[fresh])
        if known := [at for at in unserved if keys[at] in self._places]:
            found_BT[known] = self._predictions_CT[[self._places[keys[at]] for at in known]]
        return found_BT

    def state_dict(self) -> dict[str, Any]:
        """What is known, as `torch.load(weights_only=True)` accepts it; all that waits must have been predicted."""
        size = min(self._kept, len(self._keys_C))
        return {
            "keys": self._keys_C[:size].clone(),
            "predictions": self._predictions_CT[:size].clone(),
            "kept": self._kept,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a saved state; raises ValueError if it is of another capacity or number of tasks."""
        size = len(state["keys"])
        if size != min(state["kept"], len(self._keys_C)) or state["predictions"].shape[1] != self._predictions_CT.shape[1]:
            raise ValueError(f"ShownPredictions: the saved state holds {tuple(state['predictions'].shape)} predictions")
        self._waiting.clear()
        self._keys_C[:size], self._predictions_CT[:size] = state["keys"], state["predictions"]
        self._kept = state["kept"]
        self._places = {key: place for place, key in enumerate(state["keys"].tolist())}

    def _keep(self, keys: Sequence[int], predictions_BT: Tensor) -> None:
        for key, predictions_T in zip(keys, predictions_BT, strict=True):
            place = self._places.get(key)
            if place is None:
                place = self._kept % len(self._keys_C)
                if self._kept >= len(self._keys_C):
                    del self._places[int(self._keys_C[place])]
                self._kept += 1
                self._keys_C[place], self._places[key] = key, place
            self._predictions_CT[place] = predictions_T


def _is_own(example: Example) -> bool:
    """Whether the event that labels is the one that shows, or comes before it by another clock."""
    return example.labelled_at <= example.shown_at


def _key(example: Example) -> int:
    """Who was shown what and when, as 63 bits."""
    shown = f"{example.user_id}\0{example.item_id}\0{example.shown_at!r}"
    return int.from_bytes(blake2b(shown.encode(), digest_size=8).digest(), "little") >> 1
