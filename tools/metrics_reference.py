"""Writes docs/reference/metrics.md from the metrics' own descriptions; a test holds the page to the code."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from rowcast.capture.app import create_app as create_capture
from rowcast.capture.settings import CaptureSettings
from rowcast.crud.app import create_app as create_crud
from rowcast.crud.settings import CrudSettings
from rowcast.sync.app import create_app as create_sync
from rowcast.sync.settings import SyncSettings

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
HEAD = """# Metrics

crud, each sync instance and capture give these at `GET /metrics`, beside the process's own (`process_…`, `python_…`).
Times are seconds, sizes bytes, `…_timestamp_seconds` seconds since 1970: an age is `time() - …`. Counters end in
`_total`; histograms have `_bucket`, `_sum` and `_count`. What isn't known, as a row's state while the database is down,
has no series. `./task docs` writes this page from the code, and a test holds it to it.

No label's value comes from a row: their number doesn't grow with the table. `route` is a route's template.

daprd has metrics of its own at its metrics port (9090 in a cluster): `dapr_component_pubsub_ingress_count`,
`dapr_component_pubsub_ingress_latencies`, `dapr_http_server_request_count` and others. Among them is no lag.
"""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
Family = tuple[str, str, tuple[str, ...], str]
"""Name as it is in a query (without a histogram's suffix), type, labels, meaning."""


def families() -> dict[str, list[Family]]:
    """By service, what is exposed under `rowcast_`, sorted by name."""
    crud = create_crud(CrudSettings.model_validate({"database_url": "postgresql://nowhere/none"}))
    sync = create_sync(SyncSettings(target="k8s", kubeconfig=tempfile.gettempdir()))
    nowhere = Path(tempfile.gettempdir())
    capture = create_capture(CaptureSettings(capture_db_host="nowhere", capture_jars=nowhere, java_home=nowhere))
    for app in (crud, sync, capture):
        app.build_middleware_stack()  # some of it counts too
    return {
        "crud": _of(crud.state.registry),
        "sync": _of(sync.state.registry),
        "capture": _of(capture.state.registry),
    }


def series() -> set[str]:
    """Every name that a query can use."""
    return {
        f"{name.removesuffix('_total')}{suffix}"
        for found in families().values()
        for name, kind, _, _ in found
        for suffix in SUFFIXES[kind]
    }


def _of(registry: CollectorRegistry) -> list[Family]:
    return sorted(_families(registry))


def _families(registry: CollectorRegistry) -> Iterator[Family]:
    for collector in registry._collector_to_names:
        labels = tuple(getattr(collector, "_labelnames", ()))
        for metric in _described(collector):
            if metric.name.startswith("rowcast_"):
                name = f"{metric.name}_total" if metric.type == "counter" else metric.name
                yield name, metric.type, labels or tuple(getattr(metric, "_labelnames", ())), metric.documentation


def _described(collector: Any) -> Iterable[Any]:
    describe = getattr(collector, "describe", collector.collect)
    return list(describe())


def page() -> str:
    """The whole page."""
    found = families()
    shared = [family for family in found["crud"] if all(family in families for families in found.values())]
    sections = {"All": shared} | {
        service: [family for family in families if family not in shared] for service, families in found.items()
    }
    return HEAD + "".join(_section(title, rows) for title, rows in sections.items())


def _section(title: str, rows: Iterable[Family]) -> str:
    lines = (
        f"| `{name}` | {kind} | {', '.join(f'`{one}`' for one in labels)} | {text} |"
        for name, kind, labels, text in rows
    )
    return f"\n## {title}\n\n| metric | type | labels | |\n|---|---|---|---|\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
