"""The file of progressive predictions: one JSON line for each example, of what was predicted when its item was shown."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from torch import Tensor

from headwater.internal.v1.streams_pb2 import Example

__all__ = ["PredictionsFile"]


class PredictionsFile:
    """Appends lines, and goes back to a size that a checkpoint remembers, so that a restart leaves no line twice.

    A line: `{"user": .., "item": .., "shown_at": .., "labels": {task: ..}, "predictions": {task: ..}}`, with labels and
    predictions in training space (probabilities; log1p seconds for durations) and only those that are known.
    """

    def __init__(self, path: Path, tasks: Sequence[str]) -> None:
        self._path, self._tasks = path, tuple(tasks)
        self._unwritten: list[bytes] = []

    def cut(self, size: int) -> None:
        """Drops what was written after the file had `size` bytes."""
        self._unwritten.clear()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            if file.tell() > size:
                file.truncate(size)

    def append(self, examples: Sequence[Example], predictions_BT: Tensor) -> None:
        """Adds a line for each example; they reach the file with the next `write`."""
        encode = msgspec.json.encode
        for example, predictions in zip(examples, predictions_BT.tolist(), strict=True):
            line = {
                "user": example.user_id,
                "item": example.item_id,
                "shown_at": example.shown_at,
                "labels": {task: label for task, label in zip(self._tasks, example.labels, strict=True) if label == label},
                "predictions": {task: one for task, one in zip(self._tasks, predictions, strict=True) if one == one},
            }
            self._unwritten.append(encode(line) + b"\n")

    def write(self) -> int:
        """Writes the lines added so far; returns the size of the file in bytes."""
        with self._path.open("ab") as file:
            file.writelines(self._unwritten)
            self._unwritten.clear()
            return file.tell()
