"""The parts that all of Rowcast's FastAPI applications have, put together in one call."""

from dataclasses import dataclass, field

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from rowcast.runtime.body_limit import BodyLimitMiddleware
from rowcast.runtime.health import Readiness, add_health_routes
from rowcast.runtime.hosts import LoopbackHostMiddleware
from rowcast.runtime.loopback import is_loopback
from rowcast.runtime.methods import MethodsMiddleware
from rowcast.runtime.metrics import Refresh, add_metrics_route, new_registry
from rowcast.runtime.problems import add_problem_handlers
from rowcast.runtime.requests import RequestMiddleware
from rowcast.runtime.settings import Settings
from rowcast.runtime.token import ApiTokenMiddleware
from rowcast.runtime.tracing import Tracing, start_tracing
from rowcast.runtime.tracing_middleware import TracingMiddleware
from rowcast.runtime.versions import VersionMiddleware


@dataclass(frozen=True)
class Equipment:
    """What an application registers its own metrics and readiness checks with.

    What is in `before_metrics` is awaited before the metrics are given; it raises nothing. `tracing` is None when off;
    the application shuts it down at its end.
    """

    registry: CollectorRegistry
    readiness: Readiness
    before_metrics: list[Refresh] = field(default_factory=list)
    tracing: Tracing | None = None


def equip(
    app: FastAPI, settings: Settings, service: str, *, bearers: bool = False, versioned: bool = False
) -> Equipment:
    """Adds health, metrics, problems, request ids and the token check to `app`, on the loopback the check of names too.

    Call it once, before serving. `bearers`: the application judges bearer tokens by itself. `versioned`: its paths are
    also under `/v1`.
    """
    equipment = Equipment(new_registry(service), Readiness(), tracing=start_tracing(settings, service))
    app.state.registry = equipment.registry
    app.state.readiness = equipment.readiness
    add_problem_handlers(app)
    add_health_routes(app, equipment.readiness)
    add_metrics_route(app, equipment.registry, equipment.before_metrics)
    if equipment.tracing is not None:
        app.add_middleware(TracingMiddleware, tracing=equipment.tracing)
    app.add_middleware(MethodsMiddleware, router=app.router)
    app.add_middleware(BodyLimitMiddleware, limit=settings.max_body_bytes)
    app.add_middleware(ApiTokenMiddleware, token=settings.app_api_token, bearers=bearers)
    if is_loopback(settings.http_host):
        app.add_middleware(LoopbackHostMiddleware)
    if versioned:
        app.add_middleware(VersionMiddleware)
    app.add_middleware(RequestMiddleware, registry=equipment.registry)  # outermost: a refused request is logged too
    return equipment
