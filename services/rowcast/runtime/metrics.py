"""One Prometheus registry per application, so that two applications in one process (tests) don't collide."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from rowcast import __version__

Refresh = Callable[[], Awaitable[None]]
"""Brings metrics up to date that are read from elsewhere; raises nothing."""


def new_registry(service: str) -> CollectorRegistry:
    """A registry with the process's own metrics and `rowcast_build_info`."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    info = Gauge("rowcast_build_info", "Always 1; the labels say what runs.", ["service", "version"], registry=registry)
    info.labels(service, __version__).set(1)
    return registry


def add_metrics_route(app: FastAPI, registry: CollectorRegistry, refreshes: Sequence[Refresh] = ()) -> None:
    """Adds `GET /metrics` in Prometheus' text format; each of `refreshes` is awaited before it answers."""

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        for refresh in refreshes:
            await refresh()
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})
