"""Tracing: off it is not even imported, on it goes on with the trace that the request brought."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rowcast.runtime.application import equip
from rowcast.runtime.settings import Settings
from rowcast.runtime.tracing import Tracing, child_span, sampled, start_tracing
from rowcast.runtime.tracing_middleware import TracingMiddleware

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def tracing(exporter: SpanExporter) -> Tracing:
    made = start_tracing(Settings(otlp_endpoint="http://127.0.0.1:1"), "test", exporter)
    assert made is not None
    return made


def test_off_nothing_of_it_is_imported_and_no_thread_runs() -> None:
    code = """
import sys, threading
from rowcast.crud.app import create_app as crud
from rowcast.crud.settings import CrudSettings
from rowcast.sync.app import create_app as sync
from rowcast.sync.settings import SyncSettings
crud(CrudSettings.model_validate({"database_url": "postgresql://nowhere/none"}))
sync(SyncSettings(target="k8s"))
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
print([thread.name for thread in threading.enumerate() if "Otel" in thread.name])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.split("\n")[:2] == ["[]", "[]"]


@pytest.mark.parametrize("text", [None, "", "00-0-0-00", PARENT[:-2] + "00", f"00-{'0' * 32}-b7ad6b7169203331-01", 7])
def test_only_a_valid_context_of_a_recorded_trace_is_stored(text: object) -> None:
    assert sampled(text) is None
    assert sampled(PARENT) == PARENT


def test_without_a_span_there_is_no_child() -> None:
    with child_span("transaction") as span:
        assert span is None


@pytest.mark.anyio
async def test_a_request_goes_on_with_the_trace_that_it_brought() -> None:
    exporter = InMemorySpanExporter()
    traces = tracing(exporter)
    app = FastAPI()
    equip(app, Settings(), "test")
    app.add_middleware(TracingMiddleware, tracing=traces)

    @app.post("/things/{id}")
    def change(id: int) -> str:  # noqa: A002
        with child_span("transaction") as span:
            return span.traceparent if span else ""

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http:
        inner = (await http.post("/things/1", headers={"traceparent": PARENT})).json()
        await http.get("/healthz", headers={"traceparent": PARENT})
        begun = (await http.post("/things/2")).json()
    traces.shutdown()

    assert inner[3:35] == TRACE
    assert begun[3:35] not in (TRACE, "0" * 32)
    spans = {
        span.name: span
        for span in exporter.get_finished_spans()
        if span.context and span.context.trace_id == int(TRACE, 16)
    }
    assert spans.keys() == {"POST /things/{id}", "transaction"}
    outer = spans["POST /things/{id}"]
    assert outer.parent is not None
    assert f"{outer.parent.span_id:016x}" == "b7ad6b7169203331"
    assert dict(outer.attributes or {})["http.response.status_code"] == 200


@pytest.mark.anyio
async def test_a_request_that_breaks_marks_its_span() -> None:
    exporter = InMemorySpanExporter()
    traces = tracing(exporter)
    app = FastAPI()
    app.add_middleware(TracingMiddleware, tracing=traces)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("boom")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False)) as http:
        await http.get("http://app/broken")
    traces.shutdown()

    (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok
