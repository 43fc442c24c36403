"""Only the sidecar may call: Dapr sends `APP_API_TOKEN` as header `dapr-api-token`.

And only the broker brings events: what another application has its sidecar invoke says so in a header of the sidecar's.
"""

import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast.runtime.problems import EVENTS_PREFIX, problem

BY_SIDECAR = "rowcast.by_sidecar"
"""Set in the scope of what the own sidecar has sent, as far as can be told: what it says of callers counts then."""

TOKEN_HEADER = "dapr-api-token"  # noqa: S105 - the header's name, no secret
CALLER_HEADER = "dapr-caller-app-id"
"""Dapr's service invocation adds it, and leaves one that the caller has sent (seen, 1.18): two of them are refused."""
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_OF_THE_SIDECAR = (EVENTS_PREFIX, "/dapr/")


class ApiTokenMiddleware:
    """Answers 401 unless the request carries the token; probes and metrics come from elsewhere and stay open.

    Without a token (`None`) every request passes. With `bearers`, so does one that shows a bearer token instead, which
    the application judges: to anything but what the sidecar alone brings.
    """

    def __init__(self, app: ASGIApp, token: SecretStr | None, bearers: bool = False) -> None:
        self._app = app
        self._bearers = bearers
        self._token = token.get_secret_value().encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            by_sidecar = self._is_by_sidecar(headers)
            scope[BY_SIDECAR] = by_sidecar
            if not (by_sidecar or self._token is None or self._is_open(scope, headers)):
                response = problem(401, "the request carries no valid API token", headers={"www-authenticate": "dapr"})
                await response(scope, receive, send)
                return
            if scope["path"].startswith(EVENTS_PREFIX) and CALLER_HEADER in headers:
                await problem(403, "events come from the broker, and from nobody else")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_by_sidecar(self, headers: Headers) -> bool:
        if self._token is None:
            return CALLER_HEADER in headers
        return hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token)

    def _is_open(self, scope: Scope, headers: Headers) -> bool:
        path: str = scope["path"]
        if path in _OPEN_PATHS:
            return True
        # A wrong token of the sidecar's is one, whatever else there is.
        shows = headers.get("authorization", "")[:7].lower() == "bearer " and TOKEN_HEADER not in headers
        return self._bearers and shows and not path.startswith(_OF_THE_SIDECAR)
