"""An application of a test's own that answers in a thread beside it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from rowcast_local.ports import HOST


@contextmanager
def serving(app: web.Application, port: int, what: str, certificate: ssl.SSLContext | None = None) -> Iterator[None]:
    """`app` at a port of the loopback; `what` names it where it doesn't start."""
    loop = asyncio.new_event_loop()
    up, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, HOST, port, ssl_context=certificate).start()
        up.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        if not up.wait(20):
            raise AssertionError(f"{what} does not start")
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
