"""Learner's checkpoint: one file or object that is replaced whole or not at all."""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from runtime.errors import UserError
from training.storage import Changed, SupersededError, read_tagged, replace_whole

__all__ = ["CheckpointError", "CheckpointFile"]

_MAGIC = b"HWCP"
_HEAD = struct.Struct("<4sQ")  # what it is, and its owner's epoch


class CheckpointError(UserError):
    """A checkpoint that cannot be read; the message says which and what to do."""


class CheckpointFile:
    """Keeps the last saved state in one place, for one owner at a time.

    Offsets, weights, optimizer, random state and metrics go into one state, so that after a crash they always agree. Before the
    state the file names its owner's epoch: whoever claims it writes a higher one, and each write requires the file to be as its
    writer left it, so an owner of before writes nothing any more.
    """

    def __init__(self, location: str | Path) -> None:
        """Args: `location` is a file, or the URL of an object, such as `s3://models/headwater/learner.checkpoint`."""
        self.location = str(location)
        self._epoch = 0
        self._tag: str | None = None

    @property
    def epoch(self) -> int:
        """The owner's, from 1; 0 before `claim`."""
        return self._epoch

    def claim(self) -> dict[str, Any] | None:
        """Becomes the owner: every earlier one can write no more. Returns the last saved state, None if there is none yet.

        Raises:
            CheckpointError: the file is there but holds no checkpoint.
            OSError: the file cannot be read or written.
        """
        while True:
            found = read_tagged(self.location)
            epoch, saved = (0, b"") if found is None else _parted(found.content)
            state = None if found is None else self._decoded(found.content)
            try:
                self._tag = replace_whole(self.location, _joined(epoch + 1, saved), None if found is None else found.tag)
            except Changed:
                continue
            self._epoch = epoch + 1
            return state

    def check(self) -> None:
        """Raises SupersededError where another owner has claimed the checkpoint since, and OSError where that cannot be told."""
        self._own_tag()

    def _own_tag(self) -> str | None:
        found = read_tagged(self.location)
        epoch = 0 if found is None else _parted(found.content)[0]
        if epoch != self._epoch:
            raise SupersededError(
                f"{self.location}: another learner claimed it (epoch {epoch}; this one has {self._epoch}): this one was frozen "
                "or cut off, or a second one was started. It writes nothing and ends"
            )
        return None if found is None else found.tag

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint by `state` (tensors, numbers, strings, lists and dicts); it is safe when this returns.

        Raises:
            SupersededError: another owner has claimed it since; nothing was written.
            OSError: it could not be written; the one before is untouched.
        """
        if not self._epoch:
            raise RuntimeError(f"{self.location}: claim the checkpoint before saving one")
        saved = io.BytesIO()
        torch.save(state, saved)
        content = _joined(self._epoch, saved.getvalue())
        while True:
            try:
                self._tag = replace_whole(self.location, content, self._tag)
            except Changed:
                # Either another owner, or its own write before this one, of which no answer came.
                self._tag = self._own_tag()
            else:
                return

    def load(self) -> dict[str, Any] | None:
        """The last saved state; None if there is none yet.

        Raises:
            CheckpointError: the file is there but holds no checkpoint.
            OSError: the file cannot be read.
        """
        found = read_tagged(self.location)
        return None if found is None else self._decoded(found.content)

    def _decoded(self, content: bytes) -> dict[str, Any] | None:
        epoch, saved = _parted(content)
        if epoch and not saved:  # claimed, and nothing is learned yet
            return None
        try:
            state = torch.load(io.BytesIO(saved), weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
            advice = "restore it from a backup, or remove it to learn afresh"
            raise CheckpointError(f"{self.location}: damaged ({error}); {advice}") from error
        if not isinstance(state, dict):
            raise CheckpointError(f"{self.location}: holds a {type(state).__name__}, not a checkpoint; remove it to learn afresh")
        return state


def _joined(epoch: int, saved: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, epoch) + saved


def _parted(content: bytes) -> tuple[int, bytes]:
    """Epoch and saved state; a checkpoint of a release that knew no epochs has none."""
    if not content.startswith(_MAGIC) or len(content) < _HEAD.size:
        return 0, content
    return _HEAD.unpack_from(content)[1], content[_HEAD.size :]
