"""The API under a version, and the port at which callers from outside reach it: by tokens only, and so often."""

import hashlib
import math
import time

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast.runtime.problems import problem

VERSION = "/v1"
"""What the API's paths begin with for those who come from outside."""
_INTERNAL = ("/events/", "/dapr/", "/healthz", "/readyz", "/metrics", "/docs", "/redoc")
"""What is no part of the API: the sidecar's, the probes', the browser's."""
_SAID_BY_PARTS = (b"x-rowcast-", b"dapr-")
"""Headers by which Rowcast's own parts and the sidecar say who somebody is: from outside nobody is believed."""
_BEARER = "bearer "


class VersionMiddleware:
    """Answers `/v1/…` as `/…`, so that a later version can differ; of what is no part of the API there is nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not _is_under(path, VERSION):
            await self._app(scope, receive, send)
            return
        inner = path.removeprefix(VERSION) or "/"
        if _is_under(inner, VERSION) or inner.startswith(_INTERNAL):
            await problem(404, "Not Found")(scope, receive, send)
            return
        raw: bytes = scope.get("raw_path") or b""
        # The prefix may be encoded there: it ends at the second slash.
        raw_inner = b"/" + raw.split(b"/", 2)[2] if raw.count(b"/") > 1 else raw
        await self._app({**scope, "path": inner, "raw_path": raw_inner, "root_path": VERSION}, receive, send)


class FromOutsideMiddleware:
    """Guards what comes in at `port`: 404 beside `/v1`, 401 without a bearer token, 429 for more than `rate`.

    What it lets through has no header by which our own parts are believed; whose token it is, the application judges.
    A caller is known by the token, before anybody looks into it: another one's share is not to be used up. It is of
    one process: several have a share each.
    """

    def __init__(self, app: ASGIApp, port: int, rate: RateLimitItem) -> None:
        self._app = app
        self._port = port
        self._rate = rate
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        server = scope.get("server")
        if scope["type"] == "lifespan" or not server or server[1] != self._port:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http" or not _is_under(scope["path"], VERSION):
            await problem(404, f"the API is under {VERSION}")(scope, receive, send)
            return
        given = Headers(scope=scope).getlist("authorization")
        if len(given) != 1 or not given[0].lower().startswith(_BEARER):
            said = "the request carries no token: send Authorization: Bearer TOKEN"
            error = {"field": "authorization", "rule": "token", "message": said}
            await problem(401, said, [error], {"www-authenticate": "Bearer"})(scope, receive, send)
            return
        caller = hashlib.sha256(given[0][len(_BEARER) :].strip().encode()).hexdigest()
        if not self._limiter.hit(self._rate, caller):
            await self._slow_down(caller)(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(_SAID_BY_PARTS)]
        await self._app({**scope, "headers": headers}, receive, send)

    def _slow_down(self, caller: str) -> ASGIApp:
        seconds = self._limiter.get_window_stats(self._rate, caller).reset_time - time.time()
        said = f"more than {self._rate} with this token; try again later"
        error = {"field": "authorization", "rule": "rate", "message": said}
        return problem(429, said, [error], {"retry-after": str(max(1, math.ceil(seconds)))})


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
