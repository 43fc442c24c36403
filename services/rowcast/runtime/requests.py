"""ASGI middleware around every request: its id in the log and the answer, its trace, its duration as a metric."""

import re
import time
import uuid

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowcast.runtime.logging import get_logger
from rowcast.runtime.problems import problem

REQUEST_ID_HEADER = "x-request-id"
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMiddleware:
    """Binds `request_id` and `trace_id` (W3C Trace Context) for the logs, and records `rowcast_http_request_seconds`.

    Turns an exception that nobody caught into a 500 problem. A request that ended without an answer counts as 499.
    The route label is the route's template, never the path itself, so that its values stay few.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._log = get_logger("rowcast.http")
        self._seconds = Histogram(
            "rowcast_http_request_seconds",
            "Time from a request's first byte to the end of its answer.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id, **_trace(headers)):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                # Caught here rather than by Starlette's outermost handler, so that the log and the answer have the id.
                self._log.exception("unexpected error")
                if status is None:
                    unexpected = problem(500, f"an unexpected error; the log has it under request id {request_id}")
                    await unexpected(scope, receive, send_with_id)
                else:
                    raise
            finally:
                self._record(scope, status or 499, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._seconds.labels(scope["method"], route, str(status)).observe(seconds)
        log = self._log.debug if scope["path"] in _QUIET_PATHS else self._log.info
        log("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 2))


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex


def _trace(headers: Headers) -> dict[str, str]:
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    # All zeros is how a sidecar without tracing fills the header (and is invalid by section 3.2.2.3).
    return {"trace_id": found.group(1)} if found and found.group(1).strip("0") else {}
