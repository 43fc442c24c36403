"""A span around every request that somebody may want to follow."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowcast.runtime.problems import EVENTS_PREFIX
from rowcast.runtime.tracing import Tracing

_UNTRACED = ("/healthz", "/readyz", "/metrics", "/facts", "/pipeline", "/dapr/", EVENTS_PREFIX)
"""Probes; and events, of which a batch belongs to many traces."""


class TracingMiddleware:
    """Goes on with the trace of the request's `traceparent`, or begins one."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await self._app(scope, receive, send)
            return
        method: str = scope["method"]
        attributes = {"http.request.method": method, "url.path": scope["path"]}
        parent = Headers(scope=scope).get("traceparent")
        with self._tracing.span(method, parent, "server", attributes) as span:

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status: int = message["status"]
                    span.put({"http.response.status_code": status})
                    if status >= 500:
                        span.failed(str(status))
                await send(message)

            await self._app(scope, receive, send_and_note)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.name(f"{method} {route}")
                span.put({"http.route": route})
