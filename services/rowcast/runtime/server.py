"""Serves an application with uvicorn until SIGTERM or SIGINT."""

import math

import uvicorn
from starlette.types import ASGIApp

from rowcast.runtime.settings import Settings


def serve(app: ASGIApp, settings: Settings) -> None:
    """Blocks; on a signal stops to accept, lets requests in flight end (`shutdown_seconds`), runs the lifespan's end.

    Raises SystemExit(3) if the application's start failed or the port is taken.
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
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise SystemExit(3)
