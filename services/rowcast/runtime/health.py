"""Liveness and readiness: `/healthz` says the process answers, `/readyz` that it can do its work."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.responses import JSONResponse

Check = Callable[[], None] | Callable[[], Awaitable[None]]
"""Raises if the part doesn't work; its message is shown. A plain function runs in a thread."""


class Readiness:
    """Named checks, run side by side, each with a time limit in seconds."""

    def __init__(self, time_limit: float = 2.0) -> None:
        self._time_limit = time_limit
        self._checks: dict[str, Check] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ending = False

    def end(self) -> None:
        """From now on, and whatever the checks say, not ready: the process is about to go."""
        self._ending = True

    def add(self, name: str, check: Check) -> None:
        """Registers `check` under `name`; a second one of that name replaces the first."""
        self._checks[name] = check

    async def failures(self) -> dict[str, str]:
        """What fails, name to reason; empty when ready."""
        if self._ending:
            return {"process": "is ending"}
        names = list(self._checks)
        reasons = await asyncio.gather(*(self._reason(name) for name in names))
        return {name: reason for name, reason in zip(names, reasons, strict=True) if reason is not None}

    async def _reason(self, name: str) -> str | None:
        # A check that hangs in a thread can't be cancelled: wait for that one instead of starting another each time.
        task = self._running.get(name)
        if task is None or task.done():
            task = self._running[name] = asyncio.create_task(_run(self._checks[name]))
        done, _ = await asyncio.wait({task}, timeout=self._time_limit)
        if not done:
            return f"no answer within {self._time_limit:g} s"
        error = task.exception()
        return None if error is None else (str(error) or type(error).__name__)


async def _run(check: Check) -> None:
    if inspect.iscoroutinefunction(check):
        await check()
        return
    result = await asyncio.to_thread(check)
    if inspect.isawaitable(result):
        await result


def add_health_routes(app: FastAPI, readiness: Readiness) -> None:
    """Adds `GET /healthz` (always 200) and `GET /readyz` (200, or 503 with `{"status", "failures"}`)."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        failures = await readiness.failures()
        if failures:
            return JSONResponse({"status": "not ready", "failures": failures}, status_code=503)
        return JSONResponse({"status": "ready"})
