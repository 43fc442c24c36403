"""Subscribes to what sync reports, through the sidecar."""

from collections.abc import Sequence

from dapr.ext.fastapi import DaprApp
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from rowcast.core.broker import SUBSCRIPTION_METADATA
from rowcast.core.row import APP_CONFIGS
from rowcast.crud.database.connections import changing
from rowcast.crud.deliveries import deletions, gitops, sync_status
from rowcast.crud.deliveries.outstanding import Told
from rowcast.crud.subscriptions.cloud_events import DROP, SUCCESS, event_data, summary
from rowcast.runtime.logging import get_logger
from rowcast.runtime.problems import EVENTS_PREFIX
from rowcast.runtime.tracing import Tracing, now, sampled

ROUTE = f"{EVENTS_PREFIX}sync-status"
SHOWN = 10
"""Reasons in one line of the log."""


class SyncStatusSubscriber:
    """Keeps reported statuses. Only what can't be read is dropped; trouble with the database gets 503: retried."""

    def __init__(
        self,
        engine: Engine,
        registry: CollectorRegistry,
        targets: Sequence[str],
        told: Told,
        tracing: Tracing | None = None,
    ) -> None:
        """`told` is given the rows of what was kept."""
        self._engine = engine
        self._told = told
        self._tracing = tracing
        self._targets = targets
        self._log = get_logger("rowcast.crud.deliveries.subscriber")
        self._statuses = Counter(
            "rowcast_sync_statuses",
            "Statuses that sync reported.",
            ["target", "renderer", "outcome"],
            registry=registry,
        )
        self._malformed = Counter(
            "rowcast_sync_statuses_malformed", "Messages or parts of them that could not be read.", registry=registry
        )

    def subscribe(self, dapr: DaprApp, pubsub: str, topic: str) -> None:
        """Registers the route, and with what the sidecar asks for."""

        async def receive_sync_status(request: Request) -> dict[str, str]:
            return await self.receive(await request.body())

        dapr.subscribe(pubsub=pubsub, topic=topic, metadata=SUBSCRIPTION_METADATA, route=ROUTE)(receive_sync_status)

    async def receive(self, body: bytes) -> dict[str, str]:
        """Takes a CloudEvent; the answer is for the sidecar. Raises TransientError if the database is in trouble."""
        try:
            report = sync_status.read_report(event_data(body))
        except (ValueError, ValidationError) as error:
            reason = summary(error) if isinstance(error, ValidationError) else str(error)
            self._malformed.inc()
            self._log.error("sync status dropped: it cannot be read", reason=reason)
            return DROP
        if report.malformed:
            self._malformed.inc(len(report.malformed))
            shown = report.malformed[:SHOWN]
            count = len(report.malformed)
            self._log.error("statuses dropped: they cannot be read", target=report.target, count=count, reasons=shown)
        began = now()
        changed = await run_in_threadpool(self._save, report)
        self._trace(report, began)
        for status in report.statuses:
            self._statuses.labels(report.target, status.renderer, status.outcome).inc()
        self._log.debug("sync status recorded", target=report.target, rows=len(report.statuses), changed=changed)
        return SUCCESS

    def _trace(self, report: sync_status.Report, began: float) -> None:
        if self._tracing is None:
            return
        ended = now()
        for status in report.statuses:
            parent = sampled(status.traceparent)
            if parent is not None:
                about: dict[str, str | int | bool] = {
                    "rowcast.target": report.target,
                    "rowcast.renderer": status.renderer,
                    "rowcast.key": status.key,
                }
                self._tracing.record("record status", parent, began, ended, about, "consumer")

    def _save(self, report: sync_status.Report) -> int:
        ours = (status for status in report.statuses if status.renderer == APP_CONFIGS)
        gone = sorted({int(status.key) for status in ours if status.deleted})
        with changing(self._engine) as connection:
            if gone:
                deletions.lock(connection, gone)
            changed = sync_status.save(connection, report.target, report.statuses)
            if report.progress is not None:
                gitops.save(connection, report.target, report.progress)
            if report.unfollowed:
                gitops.forget(connection, report.target)
            if gone:
                deletions.settle(connection, gone, self._targets)
        self._told.add(status.row for status in report.statuses)
        return changed
