"""Bare matrix work behind one answer: every product that scoring needs, and nothing else."""

import time

import torch
from torch import nn

from benchmarks.serving.load import quantile
from benchmarks.serving.world import ServingCatalogue
from feature_repo.vocabulary import HISTORY, RECENT

__all__ = ["matrix_seconds"]

_ROUNDS = 300


@torch.inference_mode()
def matrix_seconds(world: ServingCatalogue, candidates: int) -> float:
    """Median time of the matrix products for so many candidates: the network's, and the cosines with the user's history."""
    model = world.model()
    distinct = 1 + HISTORY + candidates
    products = []
    for module in model.modules():
        if isinstance(module, nn.Linear):
            rows = distinct if module is model.adapter else candidates
            products.append((torch.rand(rows, module.in_features), module.weight.T.contiguous()))
    width = model.config.width
    products.append((torch.rand(candidates, width), torch.rand(width, HISTORY)))
    products.append((torch.rand(candidates, HISTORY), torch.rand(HISTORY, width)))
    products.append((torch.rand(candidates, world.dimensions), torch.rand(world.dimensions, RECENT)))
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for left, right in products:
            left @ right
        seconds.append(time.perf_counter() - began)
    return quantile(seconds, 0.5)
