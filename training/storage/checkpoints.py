"""Learner's checkpoint: one file or object that is replaced whole or not at all."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from runtime.errors import UserError
from training.storage import read_whole, write_whole

__all__ = ["CheckpointError", "CheckpointFile"]


class CheckpointError(UserError):
    """A checkpoint that cannot be read; the message says which and what to do."""


class CheckpointFile:
    """Keeps the last saved state in one place.

    Offsets, weights, optimizer, random state and metrics go into one state, so that after a crash they always agree.
    """

    def __init__(self, location: str | Path) -> None:
        """Args: `location` is a file, or the URL of an object, such as `s3://models/headwater/learner.checkpoint`."""
        self.location = str(location)

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint by `state` (tensors, numbers, strings, lists and dicts); it is safe when this returns.

        Raises:
            OSError: it could not be written; the one before is untouched.
        """
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self.location, content.getvalue())

    def load(self) -> dict[str, Any] | None:
        """The last saved state; None if there is none yet.

        Raises:
            CheckpointError: the file is there but cannot be read.
        """
        try:
            state = torch.load(io.BytesIO(read_whole(self.location)), weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
            advice = "restore it from a backup, or remove it to learn afresh"
            raise CheckpointError(f"{self.location}: cannot be read ({error}); {advice}") from error
        if not isinstance(state, dict):
            raise CheckpointError(f"{self.location}: holds a {type(state).__name__}, not a checkpoint; remove it to learn afresh")
        return state
