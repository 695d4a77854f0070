"""An event's fold and its learning stand in one trace, and the snapshot that learned from it links to that."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS, EXAMPLES
from runtime.record import Record
from runtime.tracing import Traces, trace_id_of
from streams.processors.user import UserProcessor
from streams.spans import LearnerSpans, trace_folds
from tests.feature_repo.worlds import VOCABULARY, table_of
from tests.streams.memory import MemoryRows

LOG, NOW = 77, 1_700_000_100.0


@pytest.fixture
def memory() -> InMemorySpanExporter:
    """Keeps what is written."""
    return InMemorySpanExporter()


@pytest.fixture
def spans(memory: InMemorySpanExporter) -> Traces:
    """Traces whose spans go into `memory`."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return Traces(provider)


def record(offset: int, kind: str) -> Record:
    """An event of one user on one item, appended ten seconds before NOW."""
    event = Event(event_id=f"e{offset}", user_id="u1", item_id="i1")
    event.occurred_at.seconds = 1_700_000_000 + offset
    getattr(event, kind).SetInParent()
    value = event.SerializeToString()
    return Record(topic=EVENTS.name, partition=3, offset=offset, key=b"u1", value=value, appended_at=NOW - 10.0)


def traced(span: ReadableSpan) -> int:
    """The trace that a span stands in."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def test_an_event_is_followed_to_the_snapshot(spans: Traces, memory: InMemorySpanExporter) -> None:
    """Impression and click are folded; the click's example is learned in the click's trace; the snapshot links to it."""
    processor = UserProcessor(table=table_of(), store=MemoryRows(VOCABULARY), log=lambda: LOG, clock=lambda: NOW, cached_rows=10)
    work = processor.process([record(0, "impression"), record(1, "click")])
    trace_folds(spans, work, NOW)
    values = [*(value for topic, _, value in work.publications if topic == EXAMPLES.name), b"\xff"]
    assert len(values) == 3, "the impression's, which has no label, the click's, and one that cannot be read"
    learner = LearnerSpans(spans)
    examples = [Record(EXAMPLES.name, 0, offset, b"u1", value, NOW) for offset, value in enumerate(values)]
    learner.learned(examples, NOW, NOW + 1.0)
    learner.published(NOW + 2.0, NOW + 3.0)
    shown, clicked, learn, publish = memory.get_finished_spans()
    assert [span.name for span in (shown, clicked, learn, publish)] == ["fold", "fold", "learn", "publish"]
    assert traced(shown) == trace_id_of(LOG, 3, 0)
    assert traced(clicked) == traced(learn) == trace_id_of(LOG, 3, 1)
    assert [link.context.trace_id for link in publish.links] == [trace_id_of(LOG, 3, 1)]
    assert clicked.start_time is not None
    assert clicked.end_time is not None
    assert clicked.end_time - clicked.start_time == 10_000_000_000
    learner.published(NOW + 4.0, NOW + 5.0)
    assert memory.get_finished_spans()[-1].links == ()
