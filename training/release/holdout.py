"""Choice of the examples that are held out: scored like all others, judged by, never learned from."""

import zlib
from collections.abc import Iterable

import torch
from torch import Tensor

from headwater.internal.v1.streams_pb2 import Example

__all__ = ["holdout_mask", "in_holdout"]


def holdout_mask(examples: Iterable[Example], share: float) -> Tensor:
    """True for each example that is held out, (B,).

    Told by what was shown to whom and when: all labels of one impression share its fate, and so do repeated runs.
    """
    keys = (f"{example.user_id}\0{example.item_id}\0{example.shown_at!r}" for example in examples)
    return torch.tensor([in_holdout(key, share) for key in keys])


def in_holdout(key: str, share: float) -> bool:
    """Whether the example of this key is held out; the same key always is or never is.

    >>> sum(in_holdout(f"user-{number}", 0.1) for number in range(1000))
    95
    """
    return zlib.crc32(key.encode()) < share * 2**32
