"""The watch for drift: it speaks up when a loss moves, and not otherwise."""

import torch

from feature_repo.vocabulary import Vocabulary
from training.metrics.drift import DriftWatch


def _losses(batches: int, level: float, seed: int) -> torch.Tensor:
    """Losses of 32 examples a batch and three tasks, the last without labels."""
    generator = torch.Generator().manual_seed(seed)
    losses = level + 0.4 * torch.randn(batches, 32, 3, generator=generator)
    losses[..., 2] = torch.nan
    return losses


def test_a_steady_loss_raises_no_alarm(vocabulary: Vocabulary) -> None:
    """Twenty streams of 64,000 examples each."""
    for seed in range(20):
        watch = DriftWatch(vocabulary.tasks)
        assert [drift for losses in _losses(2000, 0.6, seed) for drift in watch.observe(losses)] == []


def test_a_loss_that_rises_or_falls_is_reported_once(vocabulary: Vocabulary) -> None:
    """With the task, and the levels before and after; tasks without labels say nothing."""
    for level in (0.75, 0.45):
        watch = DriftWatch(vocabulary.tasks)
        for losses in _losses(1000, 0.6, 1):
            assert watch.observe(losses) == []
        stream = _losses(400, level, 2)
        stream[..., 1] = _losses(400, 0.6, 3)[..., 1]
        drifts = [drift for losses in stream for drift in watch.observe(losses)]
        assert drifts
        assert len(drifts) <= 2, "no storm"
        assert {drift.task for drift in drifts} == {"click"}
        assert (drifts[0].after > drifts[0].before) == (level > 0.6)
