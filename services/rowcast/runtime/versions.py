"""The API under a version."""

from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast.runtime.problems import problem

VERSION = "/v1"
"""What the API's paths begin with for those who count on it to stay as it is."""
_INTERNAL = ("/events/", "/dapr/", "/healthz", "/readyz", "/metrics", "/docs", "/redoc")
"""What is no part of the API: the sidecar's, the probes', the browser's."""


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


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
