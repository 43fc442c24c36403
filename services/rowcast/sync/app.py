"""The sync service's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from tenacity import AsyncRetrying, wait_random_exponential

from rowcast.core.errors import TransientError
from rowcast.core.ports import Target
from rowcast.core.targets import TargetKind
from rowcast.runtime import background
from rowcast.runtime.application import equip
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.logging import get_logger
from rowcast.runtime.stuck_sidecar import StuckSidecar
from rowcast.sync.delivery.delivery import Delivery
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.environments.starting import Starting
from rowcast.sync.gitops import GitOps
from rowcast.sync.gitops.metrics import GitOpsMetrics
from rowcast.sync.intake import subscription
from rowcast.sync.intake.gathering import Gathering
from rowcast.sync.intake.replays import Letters, Replays
from rowcast.sync.intake.retries import Retries
from rowcast.sync.monitoring.facts import Facts, utc_now
from rowcast.sync.monitoring.metrics import SyncMetrics, WorkMetrics
from rowcast.sync.monitoring.rights import Rights
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.reconcile.schedule import AfterSnapshot, Drift, Late, Period
from rowcast.sync.routes import reconcile as reconcile_routes
from rowcast.sync.routes.facts import add_route as add_facts_route
from rowcast.sync.routes.preview import add_routes as add_preview_routes
from rowcast.sync.settings import SyncSettings
from rowcast.sync.status.confirmation import Asked, Confirming
from rowcast.sync.status.news import Later
from rowcast.sync.status.report import Publisher, StatusTopic, Topics
from rowcast.sync.status.stages import Stages
from rowcast.sync.table.rows import CrudTable, Table

_STEPS: Mapping[TargetKind, str] = {"k8s": "apply", "git": "commit"}


def create_app(
    settings: SyncSettings,
    target: Target | None = None,
    publisher: Publisher | None = None,
    table: Table | None = None,
) -> FastAPI:
    """Wire one instance; a test may bring its own target, publisher and table."""
    sidecar = DaprPublisher(settings)
    crud = CrudTable(settings)
    starting = Starting(settings, target, crud)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        comparing = [after_snapshot.run, *([period.run] if settings.reconcile_seconds else [])]
        works = [
            _start(starting, comparing),
            drift.run(),
            later.run(),
            delivery.run(),
            *([late.run(), replays.run(), stages.run()] if table is None else []),
            *([rights.run()] if table is None and rights is not None else []),
            *([confirming.run()] if confirming is not None else []),
            *(engine.run() for engine in engines),
            *([later.no_engine()] if settings.target_kind == "git" and not engines else []),
        ]
        tasks = background.begin(works)
        yield
        await background.end(tasks)
        await starting.close()
        await sidecar.aclose()
        await crud.aclose()
        if equipment.tracing is not None:
            await asyncio.to_thread(equipment.tracing.shutdown)

    app = FastAPI(title="Rowcast sync", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    equipment = equip(app, settings, f"sync-{settings.target}")
    equipment.readiness.add("target", starting.check)
    metrics = SyncMetrics(settings.target, equipment.registry)
    topics = Topics(settings.status_topic, settings.dead_letter_topic)
    told: Publisher = sidecar if publisher is None else publisher
    letters = Letters(sidecar, settings.target)
    confirming = on_missed = None
    if not settings.broker_confirms:
        told = confirming = Confirming(
            told, topics, settings.target, Asked(letters.arrived, crud.whereabouts, letters.missed)
        )
        on_missed = StuckSidecar(sidecar.end).sign
    retries = Retries(utc_now)
    facts = Facts(retries=retries)
    WorkMetrics(settings.target, facts, equipment.registry)
    correct = settings.drift == "correct"
    source = crud if table is None else table
    found = ReconcileMetrics(settings.target, equipment.registry)
    later = Later(settings.target, told, topics.status)
    reconciler = Reconciler(starting, source, told, topics, found, later.publish)
    drift = Drift(reconciler, found, correct)
    period = Period(reconciler, settings.reconcile_seconds, settings.reconcile_prune_limit, correct)
    after_snapshot = AfterSnapshot(reconciler, settings.reconcile_prune_limit, correct, lambda: bool(facts.batches))
    late = Late(
        reconciler,
        crud,
        settings.target,
        lambda row: retries.get(row) is not None,
        facts.flow.passed,
        settings.late_seconds,
        ahead=settings.subscription == "single",
        newest=facts.flow.newest,
        on_missed=on_missed,
    )
    starting.listen(drift.notice)
    engines = []
    if settings.gitops_engine != "none":
        engines.append(GitOps(settings, starting, told, GitOpsMetrics(settings.target, equipment.registry)))
        starting.listen_to_deliveries(engines[0].pushed, engines[0].delivered)
    stages = Stages(StatusTopic(settings.target, told, topics.status), crud.whereabouts, later.notice)
    starting.tell(stages.notice)
    hindsight = Hindsight(starting, source, drift.notice, correct=correct)
    delivery = Delivery(
        starting,
        told,
        topics,
        metrics,
        retries,
        facts,
        equipment.tracing,
        after_snapshot.notice,
        hindsight,
        lambda ids: replays.notice(ids),
        crud.rendering,
        _STEPS[settings.target_kind],
    )
    replays = Replays(letters, delivery.deliver, settings.late_seconds)
    _add_routes(app, settings, delivery)
    reconcile_routes.add_routes(app, settings, reconciler)
    add_preview_routes(app, starting, crud.rendering)
    rights = Rights(crud, starting) if settings.target_kind == "k8s" else None
    if rights is not None:
        crud.rendering.on_revision = rights.notice
    add_facts_route(app, settings, facts, starting, sidecar, reconciler, rights)
    return app


async def _start(starting: Starting, comparing: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Try until the target's inventory is read; until then the instance is not ready and takes no events.

    Only then is anything compared with it by itself: a million files take minutes to read, and each comparison in
    between would count as one that has failed.
    """
    log = get_logger("rowcast.sync")
    async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.2, max=5)):
        with attempt:
            try:
                await starting.start()
            except Exception as error:
                expected = isinstance(error, TransientError)
                log.warning("target not ready, trying again", error=str(error), exc_info=not expected)
                raise
    log.info("ready")
    await asyncio.gather(*(run() for run in comparing))


def _add_routes(app: FastAPI, settings: SyncSettings, delivery: Delivery) -> None:
    gathering = Gathering(delivery.deliver, settings.batch_size)

    @app.get("/dapr/subscribe")
    async def subscribe() -> list[dict[str, Any]]:
        return subscription.subscriptions(settings)

    @app.post(subscription.SINGLE_ROUTE)
    async def single(request: Request) -> Response:
        entry = subscription.single(subscription.parsed(await request.body()), request.headers)
        return _json(subscription.RETRY if await gathering.deliver(entry) else subscription.SUCCESS)

    @app.post(subscription.BULK_ROUTE)
    async def bulk(request: Request) -> Response:
        entries = subscription.bulk(await request.body())
        return _json(subscription.answer(entries, await delivery.deliver(entries)))

    @app.post(subscription.REPLAYS)
    async def single_replay(request: Request) -> Response:
        entry = subscription.single_raw(await request.body(), request.headers)
        return _json(subscription.RETRY if await gathering.deliver(entry) else subscription.SUCCESS)

    @app.post(subscription.REPLAYS_BULK)
    async def bulk_replays(request: Request) -> Response:
        entries = subscription.bulk_raw(await request.body())
        return _json(subscription.answer(entries, await delivery.deliver(entries)))


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
