"""A reverse proxy before the API server that answers some requests itself, as an overloaded one would: 429, 500."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from chaos.serving import serving

HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "upgrade", "host", "content-length"})
REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
SESSION = web.AppKey("session", aiohttp.ClientSession)


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
        self.answered = 0

    @contextmanager
    def running(self) -> Iterator[Bursts]:
        """Serve in a thread."""
        app = web.Application(client_max_size=32 * 2**20)
        app.cleanup_ctx.append(self._connected)
        app.router.add_route("*", "/{path:.*}", self._pass)
        with serving(app, self._port, "the proxy before the API server", self._own):
            yield self

    @contextmanager
    def burst(self, status: int, share: float) -> Iterator[None]:
        """Answer a share of the requests with `status`."""
        self._burst = (share, status)
        try:
            yield
        finally:
            self._burst = None

    async def _connected(self, app: web.Application) -> AsyncIterator[None]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10)
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=limits, auto_decompress=False) as session:
            app[SESSION] = session
            yield

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        burst = self._burst
        if burst is not None and self._chance.random() < burst[0]:
            self.answered += 1
            return _refusal(burst[1])
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        body = await request.read() if request.can_read_body else None
        try:
            async with request.app[SESSION].request(
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
