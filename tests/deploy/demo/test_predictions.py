"""The demo reads what the learner writes."""

from pathlib import Path

import pytest
import torch

from deploy.demo.predictions import read_predictions, wait_for_predictions
from headwater.internal.v1.streams_pb2 import Example
from streams.learning.predictions import PredictionsFile


def test_what_the_learner_wrote_reads_back(tmp_path: Path) -> None:
    """By user and item; half a line at the end, still being written, is not an error."""
    path = tmp_path / "predictions.jsonl"
    file = PredictionsFile(path, ["like", "stars"])
    examples = [Example(user_id="u", item_id=item, labels=[1.0, 4.0]) for item in ("a", "b")]
    file.append(examples, torch.tensor([[0.25, 3.5], [0.75, 4.5]]))
    file.write()
    with path.open("ab") as half:
        half.write(b'{"user": "u", "it')
    assert read_predictions(path) == {("u", "a"): (0.25, 3.5), ("u", "b"): (0.75, 4.5)}


def test_waiting_ends_when_a_part_of_the_stack_dies(tmp_path: Path) -> None:
    """The check's error comes through, rather than a minute of silence."""

    def dead() -> None:
        raise RuntimeError("learner died")

    with pytest.raises(RuntimeError, match="learner died"):
        wait_for_predictions(tmp_path / "absent.jsonl", 1, dead)
