"""Traces by OpenTelemetry: off unless an endpoint is set, and then nothing of it is imported.

A request's trace is its caller's, where the call carries one (`traceparent`, W3C Trace Context). An event's trace needs no
header: its id follows from the event's place in the log, which the features worker, the example and the learner all know, so each
adds its span to the same trace. Spans are written when they are over, from the times that the process measured anyway.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["Traces", "TracingSettings", "trace_id_of", "traces"]

_SCOPE = "headwater"
_HEADER = "traceparent"


class TracingSettings(BaseSettings):
    """Where spans go and how many; read from HEADWATER_TRACING_*."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_TRACING_", frozen=True)

    endpoint: str | None = Field(default=None, description="OTLP over gRPC, such as http://collector:4317; None for no traces.")
    sampled: float = Field(
        default=0.01, ge=0, le=1, description="Share of traces that are kept where no caller has decided; one for all processes."
    )


def trace_id_of(log: int, partition: int, offset: int) -> int:
    """The 128-bit id of the trace of the event at this place in the log.

    >>> trace_id_of(1, 0, 7) == trace_id_of(1, 0, 7) != trace_id_of(1, 0, 8)
    True
    """
    return int.from_bytes(blake2b(f"{log}:{partition}:{offset}".encode(), digest_size=16).digest(), "big")


class Traces:
    """Writes spans that are over; without a provider it writes none, and every method returns at once."""

    def __init__(self, provider: "TracerProvider | None" = None, *, sampled: float = 1.0) -> None:
        self.on = provider is not None
        self._provider = provider
        self._below = int(sampled * (1 << 64))

    def of_call(self, metadata: Iterable[tuple[str, Any]] | None) -> "Context | None":
        """The trace that a call's metadata names; None where it names none."""
        header = next((value for key, value in metadata or () if key == _HEADER), None) if self.on else None
        if header is None:
            return None
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        return TraceContextTextMapPropagator().extract({_HEADER: header})

    def of_event(self, log: int, partition: int, offset: int) -> "Context | None":
        """The trace of the event at this place in the log; None where it is not among those that are kept."""
        if not self.on:
            return None
        trace_id = trace_id_of(log, partition, offset)
        if trace_id & ((1 << 64) - 1) >= self._below:
            return None
        from opentelemetry import trace

        # Nobody writes the root: it stands for the event itself, and its id follows from the trace's.
        root = trace.SpanContext(trace_id, trace_id >> 64, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
        return trace.set_span_in_context(trace.NonRecordingSpan(root))

    def write(
        self,
        name: str,
        began: float,
        ended: float,
        *,
        within: "Context | None" = None,
        stages: Mapping[str, float] | None = None,
        links: "Sequence[Context]" = (),
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Writes one span (times are Unix seconds) and one below it for each stage, one after the other from `began` on.

        Args:
            within: the trace that it belongs to; a new one where that is None.
            stages: seconds by name, in the order in which they followed.
            links: traces that this span comes from, such as those of the events behind a snapshot.
        """
        if self._provider is None:
            return
        from opentelemetry import trace

        tracer = self._provider.get_tracer(_SCOPE)
        linked = [trace.Link(trace.get_current_span(context).get_span_context()) for context in links]
        span = tracer.start_span(name, within, attributes=attributes, links=linked, start_time=_ns(began))
        below, at = trace.set_span_in_context(span), began
        for stage, seconds in (stages or {}).items():
            tracer.start_span(stage, below, start_time=_ns(at)).end(_ns(at + seconds))
            at += seconds
        span.end(_ns(ended))

    def stop(self) -> None:
        """Sends what is still held."""
        if self._provider is not None:
            self._provider.shutdown()


def traces(settings: TracingSettings, service: str) -> Traces:
    """Traces of a process named `service`, as the settings have it.

    Raises:
        RuntimeError: an endpoint is set, and the packages are not installed.
    """
    if settings.endpoint is None:
        return Traces()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"HEADWATER_TRACING_ENDPOINT is set, but {error.name} is not installed: install the extra `tracing`, too"
        ) from error
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sampled)),
        resource=Resource.create({"service.name": f"headwater-{service}"}),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    return Traces(provider, sampled=settings.sampled)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
