"""One trace from the dashboard's save to the applied resource, on a real platform of its own that traces."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client import api_client
from client.tracing import TracedSaves
from collector import Collector, Span, collecting, tracing_to
from configurations.models import Draft
from login.identity import Who
from rowcast_local.assembly import APPS
from rowcast_local.platform import Platform
from world import World, wait_until


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector: Collector) -> Iterator[World]:
    parts = [*APPS, *(f"{app}-dapr" for app in APPS)]
    folder = Path(tempfile.mkdtemp(prefix="rowcast-traces-"))
    platform = Platform(folder, free_ports=True, settings=tracing_to(collector.url, parts))
    try:
        platform.start()
        platform.wait_ready()
        yield World(platform.env())
    finally:
        platform.destroy()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def dashboard(traced: World, collector: Collector) -> Iterator[api_client.CrudClient]:
    """The dashboard's own client, as its page has it."""
    port = traced.env["ROWCAST_DAPR_URL"].rpartition(":")[2]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        saves = TracedSaves(collector.url)
    with api_client.connect({"DAPR_HTTP_PORT": port}) as http:
        yield api_client.CrudClient(http, lambda: Who("ada"), saves)
    saves.provider.shutdown()


def draft(name: str, branch: str = "main") -> Draft:
    return Draft(name, f"https://git.example/{name}.git", branch, "dev")


def trace(collector: Collector, row_id: int, generation: int) -> list[Span]:
    """The whole trace of a generation, once both targets' statuses are recorded in it."""

    def its() -> list[Span]:
        found = {span.trace_id for span in deliveries(collector, row_id) if told(span, "generation") == generation}
        return collector.of(found.pop()) if len(found) == 1 else []

    def complete() -> bool:
        spans = its()
        # Of each target, not two in all: what is delivered again is recorded again.
        recorded = {told(span, "target") for span in spans if span.name == "record status"}
        return recorded == {"git", "k8s"} and any(span.name.startswith("save:") for span in spans)

    wait_until(complete, lambda: str([(span.service, span.name, span.attributes) for span in its()]))
    wait_until(lambda: orphans(its()) == [], lambda: str(orphans(its())))
    return its()


def deliveries(collector: Collector, row_id: int) -> list[Span]:
    return [one for one in collector.spans if one.name.startswith("deliver") and told(one, "key") == str(row_id)]


def told(span: Span, attribute: str) -> Any:
    return span.attributes.get(f"rowcast.{attribute}")


def orphans(spans: list[Span]) -> list[tuple[str, str]]:
    """Spans whose parent is not in the trace; they come from many processes, in any order."""
    known = {span.span_id for span in spans}
    return [(span.service, span.name) for span in spans if span.parent_id and span.parent_id not in known]


def test_one_save_is_one_trace_through_every_service(collector: Collector, dashboard: api_client.CrudClient) -> None:
    row = dashboard.create(draft("followed"))

    spans = trace(collector, row.id, 1)

    assert {
        ("crud", "POST /appconfigs"),
        ("crud", "transaction"),
        ("crud", "record status"),
        ("sync-k8s", "capture"),
        ("sync-k8s", "deliver to k8s"),
        ("sync-k8s", "render"),
        ("sync-k8s", "apply"),
        ("sync-git", "deliver to git"),
        ("sync-git", "commit"),
    } <= {(span.service, span.name) for span in spans}
    (root,) = [span for span in spans if not span.parent_id]
    assert (root.service, root.name) == ("ui", "save: POST /appconfigs")
    # The sidecars go on with it, and send their own.
    assert any(span.service == "ui" and span is not root for span in spans)
    (delivered,) = [span for span in spans if span.name == "deliver to git"]
    assert (told(delivered, "outcome"), len(told(delivered, "reference"))) == ("created", 40)


def test_each_save_is_a_trace_of_its_own_and_sql_belongs_to_none(
    collector: Collector, dashboard: api_client.CrudClient, traced: World
) -> None:
    # One at a time: what lies between two states of a batch need not be delivered, nor told.
    row = dashboard.create(draft("edited"))
    traces = [trace(collector, row.id, 1)[0].trace_id]
    changed = dashboard.update(row.id, draft("edited", "next"), row.generation)
    traces.append(trace(collector, row.id, 2)[0].trace_id)
    assert len(set(traces)) == 2

    with traced.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'by-hand' WHERE id = %s", (row.id,))
    dashboard.update(row.id, draft("edited", "last"), changed.generation + 1)
    trace(collector, row.id, 4)
    with traced.sql() as cursor:
        cursor.execute("DELETE FROM app_configs WHERE id = %s", (row.id,))
    marker = dashboard.create(draft("marker"))
    trace(collector, marker.id, 1)
    traced.settled()

    found = deliveries(collector, row.id)
    assert {told(span, "generation") for span in found} == {1, 2, 4}
    assert "deleted" not in {told(span, "outcome") for span in found}


def test_a_deletion_is_a_trace_too(collector: Collector, dashboard: api_client.CrudClient) -> None:
    row = dashboard.create(draft("short-lived"))
    trace(collector, row.id, 1)  # else the table has it no more when it arrives, and it is taken back before
    dashboard.delete(row.id, row.generation)

    def deleted() -> set[str]:
        delivered = [span for span in deliveries(collector, row.id) if told(span, "outcome") == "deleted"]
        return {span.name for span in delivered if span.trace_id == its}

    # Who deletes it is an update of its own, which may come in a batch before: that has a status, too.
    its = trace(collector, row.id, 2)[0].trace_id
    wait_until(lambda: deleted() == {"deliver to git", "deliver to k8s"}, lambda: str(deleted()))
