"""Which changes of a batch belong to which trace, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from rowcast.core.events import decode
from rowcast.runtime.tracing import Tracing
from rowcast.sync.delivery.delivery import Delivery
from rowcast.sync.intake.retries import Retries
from rowcast.sync.monitoring.facts import utc_now
from rowcast.sync.monitoring.metrics import SyncMetrics
from rowcast.sync.status.report import Topics
from rowcast.sync.targets.memory import MemoryTarget
from unit.core.changes import event
from unit.sync.test_delivery import Bench

pytestmark = pytest.mark.anyio
TRACE, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def bench(exporter: InMemorySpanExporter) -> Iterator[Bench]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    bench = Bench(MemoryTarget())
    metrics = SyncMetrics("memory", CollectorRegistry())
    bench._delivery = Delivery(
        bench.target, bench, Topics("status", "dead"), metrics, Retries(utc_now), tracing=Tracing(provider)
    )
    yield bench
    provider.shutdown()


def traced(trace: str, txid: int | str = 7, flags: str = "01", **fields: object) -> dict[str, object]:
    """An event of transaction 7, whose row says that transaction `txid` wrote it, in `trace`."""
    one = event(traceparent=f"00-{trace}-{'c' * 16}-{flags}", traced_txid=txid, **fields)  # type: ignore[arg-type]
    return one | {"iodebeziumtxId": "7"}


def spans(exporter: InMemorySpanExporter, name: str) -> list[tuple[str, int, str]]:
    """(trace, generation, outcome) of each span of that name."""
    found = []
    for span in exporter.get_finished_spans():
        if span.name == name and span.context and span.attributes:
            told = span.attributes
            found.append((f"{span.context.trace_id:032x}", told["rowcast.generation"], told["rowcast.outcome"]))
    return found  # type: ignore[return-value]


async def test_each_row_goes_on_with_its_own_trace(bench: Bench, exporter: InMemorySpanExporter) -> None:
    await bench.deliver(traced(TRACE, row_id=1, name="a"), traced(OTHER, row_id=2, name="b"), event(row_id=3, name="c"))

    assert spans(exporter, "deliver to memory") == [(TRACE, 1, "created"), (OTHER, 1, "created")]
    (message,) = [data for topic, data in bench.published if topic == "status"]
    statuses = message["statuses"]
    assert [(status["traceparent"] or "")[3:35] for status in statuses] == [TRACE, OTHER, ""]


async def test_what_a_newer_change_overtook_in_the_batch_ends_as_stale(
    bench: Bench, exporter: InMemorySpanExporter
) -> None:
    await bench.deliver(traced(TRACE, generation=1), traced(OTHER, generation=2))

    assert spans(exporter, "deliver to memory") == [(TRACE, 1, "stale"), (OTHER, 2, "created")]


async def test_of_a_deletion_and_the_update_before_it_only_one_is_the_newest(
    bench: Bench, exporter: InMemorySpanExporter
) -> None:
    await bench.deliver(event(generation=1))
    await bench.deliver(traced(TRACE, generation=2), traced(TRACE, op="d", generation=2, lsn=9999))

    assert [outcome for _, _, outcome in spans(exporter, "deliver to memory")] == ["stale", "deleted"]


@pytest.mark.parametrize(
    "one",
    [
        traced(TRACE, txid=6),
        traced(TRACE, txid=6, op="d"),
        traced(TRACE, flags="00"),
        traced("0" * 32),
        traced("not a trace"),
        {**traced(TRACE), "iodebeziumtxId": None},
        event(traceparent=None, traced_txid=None),
        event(traceparent=5, traced_txid=7),
    ],
    ids=[
        "another transaction",
        "a direct delete",
        "not sampled",
        "zeros",
        "garbage",
        "no transaction",
        "none",
        "number",
    ],
)
async def test_what_belongs_to_no_trace_makes_no_span(
    bench: Bench, exporter: InMemorySpanExporter, one: object
) -> None:
    assert await bench.deliver(one) == set()

    assert exporter.get_finished_spans() == ()


async def test_a_delivery_that_fails_leaves_its_span_for_the_one_that_succeeds(
    bench: Bench, exporter: InMemorySpanExporter
) -> None:
    bench.target.down = "away"
    assert await bench.deliver(traced(TRACE)) == {"0"}
    assert exporter.get_finished_spans() == ()
    bench.target.down = None
    await bench.deliver(traced(TRACE))

    assert spans(exporter, "deliver to memory") == [(TRACE, 1, "created")]


def test_an_event_keeps_the_transaction_that_it_belongs_to() -> None:
    assert decode(traced(TRACE)).traceparent == f"00-{TRACE}-{'c' * 16}-01"
    assert decode(traced(TRACE, txid="7")).traceparent is not None
    assert decode(traced(TRACE, txid=8)).traceparent is None
