"""A reverse proxy before the API server that answers some requests itself, as an overloaded one would: 429, 500."""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from rowcast_local.ports import HOST

HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "upgrade", "host", "content-length"})
REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


class Bursts:
    """Passes on what it is asked, or with a chance of `share` answers `status` instead."""

    def __init__(self, upstream: str, certificate: Path, key: Path, port: int) -> None:
        self._upstream = upstream
        self._trust = ssl.create_default_context(cafile=str(certificate))
        self._own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._own.load_cert_chain(certificate, key)
        self._port = port
        self._chance = random.Random(0)
        self._burst: tuple[float, int] | None = None
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self.answered = 0

    @contextmanager
    def running(self) -> Iterator[Bursts]:
        """Serve in a thread."""
        thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)
        thread.start()
        try:
            if not self._up.wait(20):
                raise AssertionError("the proxy before the API server does not start")
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(10)

    @contextmanager
    def burst(self, status: int, share: float) -> Iterator[None]:
        """Answer a share of the requests with `status`."""
        self._burst = (share, status)
        try:
            yield
        finally:
            self._burst = None

    async def _serve(self) -> None:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10)
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=limits, auto_decompress=False) as session:
            app = web.Application(client_max_size=32 * 2**20)

            async def passed(request: web.Request) -> web.StreamResponse:
                return await self._pass(session, request)

            app.router.add_route("*", "/{path:.*}", passed)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, HOST, self._port, ssl_context=self._own).start()
            self._up.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _pass(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        burst = self._burst
        if burst is not None and self._chance.random() < burst[0]:
            self.answered += 1
            return _refusal(burst[1])
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        body = await request.read() if request.can_read_body else None
        try:
            async with session.request(
                request.method, f"{self._upstream}{request.path_qs}", headers=headers, data=body
            ) as answer:
                passed = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
                response = web.StreamResponse(status=answer.status, headers=passed)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                return response
        except (aiohttp.ClientError, ConnectionError):
            # As the connection ended on one side, so it ends on the other.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)


def _refusal(status: int) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "the machine of faults says so",
        "reason": REASONS[status],
        "code": status,
    }
    return web.json_response(body, status=status, headers={"Retry-After": "1"} if status == 429 else {})
