"""Spans of an event on its way: folded into its user's row, learned from, part of a published snapshot."""

import math
from collections import deque
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from headwater.internal.v1.streams_pb2 import Example
from runtime.record import Record
from runtime.tracing import Traces
from streams.processors.user import UserWork

__all__ = ["LearnerSpans", "trace_folds"]

_LINKS = 128  # what the SDK keeps of a span's links


def trace_folds(spans: Traces, work: UserWork, now: float) -> None:
    """Writes `fold` for each event of a batch, from its append to the log until its row was written at `now` (Unix seconds)."""
    for source, appended_at in zip(work.folded_from, work.folded_appended_at, strict=True):
        if (trace := spans.of_event(source.log, source.partition, source.offset)) is not None:
            spans.write("fold", appended_at, now, within=trace)


class LearnerSpans:
    """Writes `learn` into the trace of each example's event, and `publish` with links to the traces behind a snapshot."""

    def __init__(self, spans: Traces) -> None:
        self.on = spans.on
        self._spans = spans
        self._learned: deque[tuple[int, int, int]] = deque(maxlen=_LINKS)

    def learned(self, records: Sequence[Record], began: float, ended: float) -> None:
        """Records of the examples topic that were taken between two times (Unix seconds)."""
        for record in records:
            try:
                example = Example.FromString(record.value or b"")
            except DecodeError:
                continue  # counted as unusable by the learner
            if all(map(math.isnan, example.labels)):
                continue  # says that an item was shown: predicted, not learned from
            source = example.source
            if (trace := self._spans.of_event(source.log, source.partition, source.offset)) is not None:
                self._learned.append((source.log, source.partition, source.offset))
                self._spans.write("learn", began, ended, within=trace)

    def published(self, began: float, ended: float) -> None:
        """A snapshot was published, and has learned from all examples so far."""
        links = [trace for where in self._learned if (trace := self._spans.of_event(*where)) is not None]
        self._learned.clear()
        self._spans.write("publish", began, ended, links=links)
