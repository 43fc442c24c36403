"""The beginning of a trace: what a person saves. Off without `OTEL_EXPORTER_OTLP_ENDPOINT`, and nothing imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

SERVICE = "ui"


class Saves(Protocol):
    """Follows a save from its beginning."""

    def save(self, name: str) -> Any:
        """Return a context in which the save is made; it gives the headers to send with it."""
        ...


class Untraced:
    """Follows nothing."""

    @contextmanager
    def save(self, _name: str) -> Iterator[Mapping[str, str]]:
        """Give no headers."""
        yield {}


class TracedSaves:
    """A span for each save, sent to the collector in the background."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE, "service.namespace": "rowcast"})
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("rowcast")

    @contextmanager
    def save(self, name: str) -> Iterator[Mapping[str, str]]:
        """Give the header that hands the trace on."""
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT) as span:
            context = span.get_span_context()
            flags = int(context.trace_flags)
            yield {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"}


def saves(environment: Mapping[str, str]) -> Saves:
    """Return what follows saves, as the environment says."""
    endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return TracedSaves(endpoint) if endpoint else Untraced()
