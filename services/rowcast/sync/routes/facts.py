"""`GET /facts`: what `GET /pipeline` of crud asks each instance."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI

from rowcast.core.errors import RowcastError
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.health import Readiness
from rowcast.sync.environments.starting import Starting
from rowcast.sync.monitoring.facts import Facts, utc_now
from rowcast.sync.monitoring.rights import Rights
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.reconcile.run import Run
from rowcast.sync.settings import SyncSettings

CHECK_SECONDS = 1.2
"""Less than whoever asks will wait."""
KEEP_SECONDS = 5.0
"""How long the target's answer holds, so that those who watch are no load for it."""


def add_route(
    app: FastAPI,
    settings: SyncSettings,
    facts: Facts,
    starting: Starting,
    sidecar: DaprPublisher,
    reconciler: Reconciler,
    rights: Rights | None = None,
) -> None:
    """Add the route."""
    started_at = utc_now()
    checks = Readiness(CHECK_SECONDS)
    checks.add("ready", starting.check)
    checks.add("target", Remembered(starting.reach).check)
    checks.add("sidecar", sidecar.check)

    @app.get("/facts")
    async def tell() -> dict[str, Any]:
        failures = await checks.failures()
        retrying = facts.retrying()
        return {
            "target": settings.target,
            "started_at": _text(started_at),
            "not_ready": failures.get("ready"),
            "target_error": failures.get("target"),
            "sidecar_error": failures.get("sidecar"),
            "in_flight": {
                "batches": len(facts.batches),
                "events": sum(events for _, events in facts.batches.values()),
                "since": _text(facts.in_flight_since()),
            },
            "retrying": {"rows": retrying.rows, "since": _text(retrying.since), "error": retrying.error},
            "events": facts.events,
            "last_event": facts.last_event,
            "last_error": facts.last_error,
            "last_bug_at": _text(facts.last_bug_at),
            "topic_recreated_at": _text(facts.topic_recreated_at),
            "late_seconds": settings.late_seconds,
            # crud of this version has them captured there once every instance takes them from there.
            "configurations_in_rows": True,
            "rights": rights.as_json() if rights is not None else None,
            "reconcile": {
                "period_seconds": settings.reconcile_seconds,
                "drift": settings.drift,
                "current": _run(reconciler.current),
                "last": _run(reconciler.last),
            },
        }


class Remembered:
    """A check whose outcome holds for KEEP_SECONDS."""

    def __init__(self, check: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._clock = clock
        self._until = 0.0
        self._error: RowcastError | None = None

    async def check(self) -> None:
        """Raises what the check raised."""
        if self._clock() >= self._until:
            self._error = None
            try:
                await self._check()
            except RowcastError as error:
                self._error = error
            self._until = self._clock() + KEEP_SECONDS
        if self._error is not None:
            raise self._error


def _run(run: Run | None) -> dict[str, Any] | None:
    """The run without its plan, which may name every row."""
    if run is None:
        return None
    told = run.told()
    return {name: told[name] for name in told if name not in ("plan", "text", "failed")} | {"failed": run.failures}


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="microseconds") if moment else None
