"""Spans are written into the trace they belong to: a caller's, or the one that an event's place in the log names."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runtime.tracing import Traces, TracingSettings, trace_id_of, traces

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def memory() -> InMemorySpanExporter:
    """Keeps what is written."""
    return InMemorySpanExporter()


@pytest.fixture
def written(memory: InMemorySpanExporter) -> Traces:
    """Traces whose spans go into `memory`."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return Traces(provider)


def ids(span: ReadableSpan) -> tuple[int, int | None]:
    """Of the trace, and of the span above."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, span.parent.span_id if span.parent else None


def test_without_an_endpoint_nothing_is_written() -> None:
    """The default writes no span, asks for no trace, and needs no package."""
    off = traces(TracingSettings(), "server")
    assert not off.on
    assert off.of_call([("traceparent", CALLER)]) is None
    assert off.of_event(1, 0, 7) is None
    off.write("x", 0.0, 1.0)
    off.stop()


def test_a_call_goes_on_with_its_callers_trace(written: Traces, memory: InMemorySpanExporter) -> None:
    """The span stands below the caller's, its stages below it, one after the other from its beginning."""
    within = written.of_call([("user-agent", "x"), ("traceparent", CALLER)])
    written.write("Score", 100.0, 100.5, within=within, stages={"feature_read": 0.1, "score": 0.3}, attributes={"code": "OK"})
    *stages, call = memory.get_finished_spans()
    assert ids(call) == (int(CALLER.split("-")[1], 16), int(CALLER.split("-")[2], 16))
    assert call.attributes == {"code": "OK"}
    own = call.get_span_context()
    assert own is not None
    assert [(span.name, span.start_time, span.end_time) for span in stages] == [
        ("feature_read", 100_000_000_000, 100_100_000_000),
        ("score", 100_100_000_000, 100_400_000_000),
    ]
    assert {ids(span) for span in stages} == {(own.trace_id, own.span_id)}


def test_two_processes_write_into_one_trace_of_an_event(written: Traces, memory: InMemorySpanExporter) -> None:
    """Both name it by the event's place alone; another place is another trace; a snapshot links to it."""
    written.write("fold", 1.0, 2.0, within=written.of_event(5, 0, 7))
    written.write("learn", 3.0, 4.0, within=written.of_event(5, 0, 7))
    written.write("fold", 1.0, 2.0, within=written.of_event(5, 0, 8))
    context = written.of_event(5, 0, 7)
    assert context is not None
    written.write("publish", 5.0, 6.0, links=[context])
    fold, learn, other, publish = memory.get_finished_spans()
    assert ids(fold) == ids(learn)
    assert ids(fold)[0] == trace_id_of(5, 0, 7)
    assert ids(other)[0] == trace_id_of(5, 0, 8)
    assert [link.context.trace_id for link in publish.links] == [trace_id_of(5, 0, 7)]


def test_the_same_events_are_kept_everywhere() -> None:
    """A tenth of the events is kept, and which ones depends on their places alone."""
    first, second = (Traces(TracerProvider(shutdown_on_exit=False), sampled=0.1) for _ in range(2))
    kept = [offset for offset in range(2000) if first.of_event(1, 0, offset) is not None]
    assert kept == [offset for offset in range(2000) if second.of_event(1, 0, offset) is not None]
    assert 120 < len(kept) < 280
