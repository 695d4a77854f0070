"""Owns the learner's checkpoint: one file that is replaced whole or not at all."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

__all__ = ["CheckpointError", "CheckpointFile"]


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read; the message says which and what to do."""


class CheckpointFile:
    """Keeps the last saved state under one path.

    Offsets, weights, optimizer, random state and metrics go into one state, so that after a crash they always agree.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint by `state` (tensors, numbers, strings, lists and dicts); it is on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def load(self) -> dict[str, Any] | None:
        """The last saved state; None if there is none yet.

        Raises:
            CheckpointError: the file is there but cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                state = torch.load(file, weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
            advice = "restore it from a backup, or remove it to learn afresh"
            raise CheckpointError(f"{self.path}: cannot be read ({error}); {advice}") from error
        if not isinstance(state, dict):
            raise CheckpointError(f"{self.path}: holds a {type(state).__name__}, not a checkpoint; remove it to learn afresh")
        return state
