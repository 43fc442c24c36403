"""Traces by OpenTelemetry, off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; off, nothing of its libraries is imported.

A trace context is passed on as a `traceparent` (W3C Trace Context), a string that any process and any table can hold.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rowcast import __version__
from rowcast.runtime.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

Kind = Literal["internal", "server", "consumer"]
Attributes = Mapping[str, str | int | bool]
NANO = 1_000_000_000
_SAMPLED = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf]")


def sampled(traceparent: object) -> str | None:
    """A trace context that is valid and whose trace is being recorded; None for anything else."""
    return traceparent if isinstance(traceparent, str) and _SAMPLED.fullmatch(traceparent) else None


class Traced:
    """A span that goes on. `traceparent` is what its children are given."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def name(self, name: str) -> None:
        """Call it otherwise: what it is may be known only at its end."""
        self._span.update_name(name)

    def put(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))

    def failed(self, error: str) -> None:
        """Mark it as failed."""
        from opentelemetry.trace import StatusCode

        self._span.set_status(StatusCode.ERROR, error)


class Tracing:
    """Makes spans and sends them to a collector, in the background."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("rowcast", __version__)

    @contextmanager
    def span(
        self, name: str, parent: str | None = None, kind: Kind = "internal", attributes: Attributes | None = None
    ) -> Iterator[Traced]:
        """A span around what is done in the context; `child_span` finds it there. A new trace without a parent."""
        span = self._tracer.start_span(name, _context(parent), _kind(kind), dict(attributes or {}))
        traced = Traced(span)
        token = _ACTIVE.set(_Active(self, traced.traceparent))
        try:
            yield traced
        except BaseException as error:
            span.record_exception(error)
            traced.failed(repr(error))
            raise
        finally:
            _ACTIVE.reset(token)
            span.end()

    def record(
        self,
        name: str,
        parent: str,
        start: float,
        end: float,
        attributes: Attributes | None = None,
        kind: Kind = "internal",
    ) -> str:
        """A span of the past, between two times in seconds since 1970; its own `traceparent`."""
        begun = int(start * NANO)
        span = self._tracer.start_span(name, _context(parent), _kind(kind), dict(attributes or {}), start_time=begun)
        span.end(max(begun, int(end * NANO)))
        return Traced(span).traceparent

    def shutdown(self) -> None:
        """Sends what is left, for a few seconds at most."""
        self._provider.shutdown()


@dataclass(frozen=True, slots=True)
class _Active:
    tracing: Tracing
    traceparent: str


_ACTIVE: ContextVar[_Active | None] = ContextVar("rowcast_active_span", default=None)


@contextmanager
def child_span(name: str, attributes: Attributes | None = None) -> Iterator[Traced | None]:
    """A span below the one that goes on here; None, and nothing done, where none does."""
    active = _ACTIVE.get()
    if active is None:
        yield None
        return
    with active.tracing.span(name, active.traceparent, attributes=attributes) as traced:
        yield traced


def start_tracing(settings: Settings, service: str, exporter: SpanExporter | None = None) -> Tracing | None:
    """Traces as the settings say; None when off. OpenTelemetry's own variables (`OTEL_…`) tune the rest."""
    if settings.otlp_endpoint is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {"service.name": service, "service.namespace": "rowcast", "service.version": __version__}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


def now() -> float:
    """Seconds since 1970, as `record` takes them."""
    return time.time()


def _context(parent: str | None) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, Any] = {"traceparent": parent} if parent else {}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _kind(kind: Kind) -> Any:
    from opentelemetry.trace import SpanKind

    return SpanKind[kind.upper()]
