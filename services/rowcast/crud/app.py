"""Puts crud together; the one place that wires."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol

from dapr.ext.fastapi import DaprApp
from fastapi import Depends, FastAPI
from sqlalchemy import Engine, text
from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast import __version__
from rowcast.crud.access.audited import AUDIT
from rowcast.crud.access.callers import make_access
from rowcast.crud.access.database_roles import excess_rights
from rowcast.crud.access.pool_shares import Shares
from rowcast.crud.access.rates import Rates
from rowcast.crud.database.connections import make_engine, reading
from rowcast.crud.dead_letters.subscriber import DeadLetterSubscriber
from rowcast.crud.deliveries.outstanding import Told, keep_settled
from rowcast.crud.deliveries.subscriber import SyncStatusSubscriber
from rowcast.crud.migrations.migrate import check_level
from rowcast.crud.pipeline.capture import EngineCapture
from rowcast.crud.pipeline.gathering import Gathering
from rowcast.crud.pipeline.metrics import PipelineMetrics
from rowcast.crud.proposals.records import PROPOSALS
from rowcast.crud.renderers.rollout_worker import RolloutWorker
from rowcast.crud.renderers.tombstones import TOMBSTONES
from rowcast.crud.routes import (
    access,
    audit,
    dead_letters,
    pipeline,
    proposals,
    reconciles,
    rows_of_any_table,
    statuses,
)
from rowcast.crud.routes.admission import admit
from rowcast.crud.routes.errors import add_answers, describe_problems
from rowcast.crud.routes.renderers import edits as renderer_edits
from rowcast.crud.routes.renderers import files as renderer_files
from rowcast.crud.routes.renderers import impacts as renderer_impacts
from rowcast.crud.routes.renderers import live as renderer_live
from rowcast.crud.routes.renderers import previews as renderer_previews
from rowcast.crud.routes.renderers import promotions as renderer_promotions
from rowcast.crud.routes.renderers import reads as renderers
from rowcast.crud.routes.renderers import rollouts as renderer_rollouts
from rowcast.crud.routes.rows import (
    activity,
    appconfigs,
    batches,
    details,
    exports,
    imports,
    late,
    lists,
    previews,
    snapshots,
)
from rowcast.crud.rows.schemas import FILE_URLS
from rowcast.crud.settings import CrudSettings
from rowcast.crud.sources.configurations import Configurations
from rowcast.crud.sources.environments import keep_found
from rowcast.crud.subscriptions.deaf_sidecar import watch
from rowcast.crud.targets.instances import Instances
from rowcast.runtime import background
from rowcast.runtime.application import equip
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.logging import get_logger
from rowcast.runtime.queries import refuse_unknown_query
from rowcast.runtime.stuck_sidecar import StuckSidecar
from rowcast.runtime.tracing import Tracing

SERVICE = "crud"
_DESCRIPTION = """The API that owns Rowcast's table of application configurations. What a row says is what will run.

Every error is a problem (RFC 9457), whose `errors` name field and rule. A row's `ETag` is its generation, which rises
with every change; send it as `If-Match` to change only what you saw. `x-rowcast-user` says who makes a change."""


ROUTES = (
    lists,
    snapshots,
    late,
    batches,
    imports,
    exports,
    previews,
    details,
    appconfigs,
    activity,
    dead_letters,
    pipeline,
    reconciles,
    renderers,
    renderer_previews,
    renderer_impacts,
    renderer_promotions,
    renderer_edits,
    renderer_files,
    renderer_live,
    renderer_rollouts,
    rows_of_any_table,
    statuses,
    proposals,
    access,
    audit,
)


class Publisher(Protocol):
    """Publishes to a topic. Raises TransientError when the broker does not take it."""

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """Publish one message."""
        ...


def create_app(settings: CrudSettings, publisher: Publisher | None = None) -> FastAPI:
    """The application. It connects to the database when it must, so it starts without one.

    A test may bring its own publisher in the place of the sidecar.
    """
    engine = make_engine(settings)
    app = FastAPI(
        title="Rowcast crud",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
        dependencies=[Depends(admit), Depends(refuse_unknown_query)],
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.access = make_access(settings)
    app.state.rates = Rates(settings.requests_per_second, settings.requests_burst)
    app.state.shares = Shares(settings)
    app.state.sidecar = DaprPublisher(settings)
    app.state.publisher = app.state.sidecar if publisher is None else publisher
    app.state.gathering = Gathering(settings, engine, app.state.sidecar)
    app.state.instances = Instances(app.state.sidecar, settings.target_kinds)
    equipment = equip(app, settings, SERVICE, bearers=True, versioned=True)
    equipment.before_metrics.append(PipelineMetrics(app.state.gathering, settings, equipment.registry).refresh)
    add_answers(app)
    if settings.allow_file_urls:
        app.add_middleware(_FileUrlsMiddleware)
    for module in ROUTES:
        app.include_router(module.router)
    dapr = DaprApp(app, router_tags=["events"])
    app.state.tracing = equipment.tracing
    app.state.stuck = StuckSidecar(app.state.sidecar.end) if settings.broker == "rabbitmq" else None
    app.state.told = Told()
    subscriber = SyncStatusSubscriber(engine, equipment.registry, settings.targets, app.state.told, equipment.tracing)
    subscriber.subscribe(dapr, settings.pubsub, settings.status_topic)
    DeadLetterSubscriber(engine, equipment.registry).subscribe(dapr, settings.pubsub, settings.dead_letter_topic)
    equipment.readiness.add("database", lambda: _check_database(engine))
    equipment.readiness.add("migrations", _Migrations(engine).check)
    describe_problems(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: CrudSettings = app.state.settings
    sidecar: DaprPublisher = app.state.sidecar
    engine: Engine = app.state.engine
    configurations = Configurations(engine, settings.targets, lambda target: sidecar.invoke(f"sync-{target}", "/facts"))
    works = [
        RolloutWorker(engine, settings.targets).run(),
        configurations.run(),
        keep_found(engine),
        keep_settled(engine, settings.targets, app.state.told),
        PROPOSALS.keep(engine, timedelta(days=settings.proposal_days)),
    ]
    if settings.tombstone_days:
        works.append(TOMBSTONES.keep(engine, timedelta(days=settings.tombstone_days)))
    if settings.audit_days:
        works.append(AUDIT.keep(engine, timedelta(days=settings.audit_days)))
    if settings.capture == "engine":
        works.append(watch(EngineCapture(sidecar), sidecar, settings.status_topic))
    tasks = background.begin(works)
    yield
    await background.end(tasks)
    gathering: Gathering = app.state.gathering
    await gathering.aclose()
    await sidecar.aclose()
    engine.dispose()
    tracing: Tracing | None = app.state.tracing
    if tracing is not None:
        await asyncio.to_thread(tracing.shutdown)


class _FileUrlsMiddleware:
    """Lets the rules for a request's body take `file:` URLs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = FILE_URLS.set(True)
        try:
            await self._app(scope, receive, send)
        finally:
            FILE_URLS.reset(token)


def _check_database(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(text("SELECT 1"))


class _Migrations:
    """The readiness of the schema; says once, when it is there, if crud may do more than serving takes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._said = False

    def check(self) -> None:
        with reading(self._engine) as connection:
            check_level(connection)
            if not self._said:
                login, excess = excess_rights(connection)
                if excess:
                    get_logger("rowcast.crud").warning(
                        "serving as a role that may do more than that takes", login=login, excess=excess
                    )
                self._said = True
