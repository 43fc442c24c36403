"""`POST /reconcile` starts one, `GET /reconcile` tells how it goes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from rowcast.runtime.problems import ProblemError
from rowcast.sync.reconcile.reconciler import BusyError, Reconciler
from rowcast.sync.reconcile.run import Run
from rowcast.sync.settings import SyncSettings


class ReconcileIn(BaseModel):
    """What is asked for. `prune_limit` is a share of the inventory, None for the setting; 1 lets everything go."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False
    prune_limit: Annotated[float | None, Field(ge=0, le=1)] = None
    wait_seconds: Annotated[float, Field(ge=0, le=300)] = 20
    """How long to wait for its end before answering 202."""


def add_routes(app: FastAPI, settings: SyncSettings, reconciler: Reconciler) -> None:
    """Add both routes."""
    running: set[asyncio.Task[None]] = set()

    @app.post("/reconcile")
    async def start(response: Response, wanted: ReconcileIn | None = None) -> dict[str, Any]:
        wanted = wanted or ReconcileIn()
        try:
            run = reconciler.begin("request", wanted.dry_run)
        except BusyError as error:
            raise ProblemError(409, str(error)) from error
        limit = settings.reconcile_prune_limit if wanted.prune_limit is None else wanted.prune_limit
        task = asyncio.create_task(reconciler.execute(run, limit))
        running.add(task)
        task.add_done_callback(running.discard)
        await asyncio.wait({task}, timeout=wanted.wait_seconds)
        response.status_code = 200 if run.ended else 202
        return run.told()

    @app.get("/reconcile")
    async def tell() -> dict[str, Any]:
        return {
            "target": settings.target,
            "period_seconds": settings.reconcile_seconds,
            "drift": settings.drift,
            "prune_limit": settings.reconcile_prune_limit,
            "current": _told(reconciler.current),
            "last": _told(reconciler.last),
        }


def _told(run: Run | None) -> dict[str, Any] | None:
    return run.told() if run else None
