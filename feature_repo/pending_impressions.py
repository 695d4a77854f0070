"""An impression that awaits its labels, and the examples that come of it: kept as the bytes in which they are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from feature_repo.decoded_event import Served
from headwater.internal.v1.packed_pb2 import PackedExample
from headwater.internal.v1.streams_pb2 import Example, SourcePosition

__all__ = ["LabelledExample", "PendingImpression", "is_labelled"]

_NAN = float("nan")


def is_labelled(example: Example) -> bool:
    """Whether an example teaches anything; one that does not only says what was shown."""
    return bool(example.lower_bounds) or any(label == label for label in example.labels)


@dataclass(kw_only=True, slots=True, eq=False)
class PendingImpression:
    """One impression. Nothing of it changes but its labels, so the rest is encoded once."""

    user_id: str
    item_id: str
    recommendation_id: str
    shown_at: float
    labels: list[float]
    """One for each task, in the vocabulary's order; NaN until it is settled."""
    content: bytes
    """An Example in protobuf without labels and source, to which these can be appended."""

    @classmethod
    def of(
        cls, *, user_id: str, item_id: str, recommendation_id: str, shown_at: float, served: Served, tasks: int
    ) -> "PendingImpression":
        """An impression as it was shown, without labels."""
        content = PackedExample(
            user_id=user_id,
            item_id=item_id,
            recommendation_id=recommendation_id,
            shown_at=shown_at,
            fingerprint=served.fingerprint,
            features=served.features.astype("<f4", copy=False).tobytes(),
            history_item_ids=served.history_item_ids,
            history_values=served.history_values.astype("<f4", copy=False).tobytes(),
            predictions=b"" if served.predictions is None else served.predictions.astype("<f4", copy=False).tobytes(),
        )
        return cls(
            user_id=user_id,
            item_id=item_id,
            recommendation_id=recommendation_id,
            shown_at=shown_at,
            labels=[_NAN] * tasks,
            content=content.SerializeToString(),
        )

    @classmethod
    def from_bytes(cls, encoded: bytes) -> "PendingImpression":
        """What `to_bytes` gave."""
        example = Example.FromString(encoded)
        labels = list(example.labels)
        example.ClearField("labels")
        return cls(
            user_id=example.user_id,
            item_id=example.item_id,
            recommendation_id=example.recommendation_id,
            shown_at=example.shown_at,
            labels=labels,
            content=example.SerializeToString(),
        )

    def to_bytes(self) -> bytes:
        """An Example in protobuf, with the labels so far."""
        return self.content + PackedExample(labels=_packed(self.labels)).SerializeToString()

    def settle(self, labels: dict[int, float], now: float, lower_bounds: dict[int, float] | None = None) -> "LabelledExample":
        """The example that teaches these labels, by task; they are marked as settled here."""
        for at, label in labels.items():
            self.labels[at] = label
        return self.example(labels, now, lower_bounds)

    def example(self, labels: dict[int, float], now: float, lower_bounds: dict[int, float] | None = None) -> "LabelledExample":
        """The example that teaches these labels, by task, as of `now` (Unix seconds); they stay open here.

        `lower_bounds` are those of labels that are censored.
        """
        tasks = range(len(self.labels))
        bounds = [lower_bounds.get(at, _NAN) for at in tasks] if lower_bounds else []
        return LabelledExample(self.content, [labels.get(at, _NAN) for at in tasks], now, bounds)


class LabelledExample(NamedTuple):
    """An example, but for the source of the event that settled it."""

    content: bytes
    labels: list[float]
    labelled_at: float
    lower_bounds: Sequence[float] = ()
    """One for each task where a label is censored, NaN for the others; else none."""

    @property
    def labelled(self) -> bool:
        """False for one that only says that the item was shown."""
        return bool(len(self.lower_bounds)) or any(label == label for label in self.labels)

    def to_bytes(self, source: SourcePosition | None = None, index: int = 0) -> bytes:
        """An Example in protobuf."""
        labelled = PackedExample(
            source=source,
            index=index,
            labelled_at=self.labelled_at,
            labels=_packed(self.labels),
            lower_bounds=_packed(self.lower_bounds),
        )
        return self.content + labelled.SerializeToString()


def _packed(values: Sequence[float]) -> bytes:
    return np.array(values, dtype="<f4").tobytes()
