"""Reading the learner's file of progressive predictions."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from deploy.observe.flow import FlowError

__all__ = ["read_predictions", "wait_for_predictions"]

_WAIT_SECONDS = 60.0


class _Predictions(msgspec.Struct):
    like: float
    stars: float


class _Line(msgspec.Struct):
    user: str
    item: str
    predictions: _Predictions


def read_predictions(path: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Probability of a like and expected stars, predicted when shown, by user and item; see `streams.learning.predictions`.

    A last line that is not whole yet is left out; of two predictions for one pair, the first counts.
    """
    found: dict[tuple[str, str], tuple[float, float]] = {}
    decoder = msgspec.json.Decoder(_Line)
    with path.open("rb") as lines:
        for raw in lines:
            if raw.endswith(b"\n"):
                line = decoder.decode(raw)
                found.setdefault((line.user, line.item), (line.predictions.like, line.predictions.stars))
    return found


def wait_for_predictions(path: Path, count: int, check: Callable[[], None]) -> dict[tuple[str, str], tuple[float, float]]:
    """The predictions, once `count` of them are in the file: the learner writes it out with each of its checkpoints.

    Raises:
        FlowError: they did not come within a minute. What `check` raises, which is asked while waiting.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while not path.exists() or len(found := read_predictions(path)) < count:
        check()
        if time.monotonic() > deadline:
            raise FlowError(f"{path} holds fewer than {count:,} predictions; look at the log of the learner")
        time.sleep(1.0)
    return found
