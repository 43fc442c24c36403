"""Only the sidecar may call: Dapr sends `APP_API_TOKEN` as header `dapr-api-token`.

And only the broker brings events: what another application has its sidecar invoke says so in a header of the sidecar's.
"""

import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast.runtime.problems import EVENTS_PREFIX, problem

TOKEN_HEADER = "dapr-api-token"  # noqa: S105 - the header's name, no secret
CALLER_HEADER = "dapr-caller-app-id"
"""Dapr's service invocation sets it, whatever the caller has sent (dapr/dapr, pkg/messaging)."""
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class ApiTokenMiddleware:
    """Answers 401 unless the request carries the token; probes and metrics come from elsewhere and stay open.

    Without a token (`None`) every request passes.
    """

    def __init__(self, app: ASGIApp, token: SecretStr | None) -> None:
        self._app = app
        self._token = token.get_secret_value().encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] == "http" and not self._allowed(scope):
            response = problem(401, "the request carries no valid API token", headers={"www-authenticate": "dapr"})
            await response(scope, receive, send)
            return
        if scope["type"] == "http" and _is_forged_event(scope):
            await problem(403, "events come from the broker, and from nobody else")(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        if self._token is None or scope["path"] in _OPEN_PATHS:
            return True
        given = Headers(scope=scope).get(TOKEN_HEADER, "")
        return hmac.compare_digest(given.encode(), self._token)


def _is_forged_event(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(EVENTS_PREFIX) and CALLER_HEADER in Headers(scope=scope)
