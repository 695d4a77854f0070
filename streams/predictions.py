"""Owns the file of progressive predictions: one JSON line for each example, written before its labels were learned."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from torch import Tensor

from protos.streams_pb2 import Example

__all__ = ["PredictionsFile"]


class PredictionsFile:
    """Appends lines, and goes back to a size that a checkpoint remembers, so that a restart leaves no line twice.

    A line: `{"user": .., "item": .., "shown_at": .., "labels": {task: ..}, "predictions": {task: ..}}`, with labels and
    predictions in training space (probabilities; log1p seconds for durations) and only the labels that are known.
    """

    def __init__(self, path: Path, tasks: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tasks = tuple(tasks)
        self._file = path.open("ab")

    def cut(self, size: int) -> None:
        """Drops what was written after the file had `size` bytes."""
        self._file.flush()
        if self._file.tell() > size:
            self._file.truncate(size)
            self._file.seek(size)

    def append(self, examples: Sequence[Example], predictions_BT: Tensor) -> None:
        """Adds a line for each example."""
        encode = msgspec.json.encode
        for example, predictions in zip(examples, predictions_BT.tolist(), strict=True):
            line = {
                "user": example.user_id,
                "item": example.item_id,
                "shown_at": example.shown_at,
                "labels": {task: label for task, label in zip(self._tasks, example.labels, strict=True) if label == label},
                "predictions": dict(zip(self._tasks, predictions, strict=True)),
            }
            self._file.write(encode(line) + b"\n")

    def size(self) -> int:
        """Bytes so far, all of them with the operating system when this returns."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
