"""Serves an application with uvicorn until SIGTERM or SIGINT."""

import math
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from rowcast.runtime.health import Readiness
from rowcast.runtime.settings import Settings


def serve(app: FastAPI, settings: Settings) -> None:
    """Blocks until a signal; `app` has been equipped.

    On the first signal `/readyz` says no at once, and for `drain_seconds` everything goes on. Then no connection is
    accepted any more, requests in flight end (`shutdown_seconds`; what takes longer is answered 500, and so comes
    again), and the lifespan's end runs. Raises SystemExit(3) if the application's start failed or the port is taken.
    """
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,  # configure_logging has set up the handlers
        access_log=False,  # RequestMiddleware writes one structured line
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
        # Longer than Go's idle limit of 90 s in daprd, or the sidecar would meet connections that we just closed.
        timeout_keep_alive=120,
    )
    server = _DrainingServer(config, app.state.readiness, settings.drain_seconds)
    server.run()
    if not server.started:
        raise SystemExit(3)


class _DrainingServer(uvicorn.Server):
    """Between the signal and the end it is not ready, but serves; a second signal ends that. Its exit code is 0."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness, drain_seconds: float) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._readiness.end()
        if self._drained_at is None and self.started:
            self._drained_at = time.monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        drained = self._drained_at is not None and time.monotonic() >= self._drained_at
        return await super().on_tick(counter) or drained
