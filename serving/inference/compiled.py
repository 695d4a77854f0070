"""Compiled models: the forward pass recorded once, without Python between operations.

It takes half the time of the same pass in Python for 100 candidates, and releases the interpreter's lock once a pass and not
once an operation: on a thread, scoring does not queue for it behind the event loop. PyTorch never releases a recording, so all
models of the same shape share one.
"""

import copy
import warnings
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from feature_repo.vocabulary import HISTORY, Vocabulary
from training.batch import Batch
from training.model import ModelConfig, Recommender

__all__ = ["compiled"]

_EXAMPLE = 8  # candidates to record with; the recording takes any number
_WARMING = 3  # passes in which PyTorch optimises what was recorded


class _Predict(nn.Module):
    """`Recommender.predict` over tensors alone, for which PyTorch can record it."""

    def __init__(self, model: Recommender) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        x_BF: Tensor,
        vectors_VD: Tensor,
        item_B: Tensor,
        history_1N: Tensor,
        values_1NS: Tensor,
        mask_1N: Tensor,
        ids_B3: Tensor,
    ) -> Tensor:
        none = x_BF.new_empty(0)
        batch = Batch(
            x_BF=x_BF,
            vectors_VD=vectors_VD,
            item_B=item_B,
            history_BN=history_1N,
            history_values_BNS=values_1NS,
            history_mask_BN=mask_1N,
            labels_BT=none,
            lower_bounds_BT=none,
            ids_B3=ids_B3,
        )
        return self.model.in_units(self.model(batch))


def compiled(model: Recommender) -> Callable[[Batch], Tensor]:
    """`model.predict`, for batches whose history all candidates share; later changes of the model do not show in it.

    The first model of its shape is recorded, which takes a tenth of a second; the next ones are copies with weights of their own.
    """
    recorded = copy.deepcopy(_recorded(model.config, model.vocabulary))
    copied = _weights(recorded)
    for name, weight in _weights(_Predict(model)).items():
        copied[name].copy_(weight)

    @torch.inference_mode()
    def predict(batch: Batch) -> Tensor:
        values_BT: Tensor = recorded(
            batch.x_BF,
            batch.vectors_VD,
            batch.item_B,
            batch.history_BN,
            batch.history_values_BNS,
            batch.history_mask_BN,
            batch.ids_B3,
        )
        return values_BT

    return predict


@lru_cache(maxsize=8)
def _recorded(config: ModelConfig, vocabulary: Vocabulary) -> nn.Module:
    """The forward pass of models of this shape."""
    example = (
        torch.zeros(_EXAMPLE, len(vocabulary.features)),
        torch.zeros(1 + HISTORY + _EXAMPLE, config.text_dimension),
        torch.arange(_EXAMPLE),
        torch.arange(HISTORY)[None],
        torch.zeros(1, HISTORY, 1 + len(vocabulary.tasks)),
        torch.ones(1, HISTORY, dtype=torch.bool),
        torch.zeros(_EXAMPLE, 3, dtype=torch.int64),
    )
    module = _Predict(Recommender(config, vocabulary)).requires_grad_(False).eval()
    with warnings.catch_warnings():
        # PyTorch would rather have torch.compile, which needs a C++ compiler where it serves; so it leaves these without types.
        warnings.simplefilter("ignore")
        recorded: nn.Module = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
        with torch.inference_mode():
            for _ in range(_WARMING):
                recorded(*example)
    return recorded


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """By name, those that are no parameters included."""
    return {name: tensor.detach() for name, tensor in (*module.named_parameters(), *module.named_buffers())}
