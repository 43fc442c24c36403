"""Refuses what pages in a browser send to this machine's loopback: by a name that leads there, or from another site."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast.runtime.loopback import is_in_a_domain
from rowcast.runtime.problems import problem


class LoopbackHostMiddleware:
    """Answers 421 to a request whose `Host` is a name in a domain, and 403 to one whose `Origin` is.

    A page calls us under its own name once its domain's owner lets that lead to 127.0.0.1 (DNS rebinding), and the
    browser takes us for that page's own server. Such a name has a dot; addresses and names without one have no such
    owner. Through a sidecar the host's name is lost, but the origin isn't.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            if is_in_a_domain(headers.get("host", "")):
                await problem(421, "nothing is served here under that name")(scope, receive, send)
                return
            if _is_foreign(headers.get("origin")):
                await problem(403, "pages of other sites may not call this service")(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_foreign(origin: str | None) -> bool:
    if origin is None:
        return False
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return True
    return not host or is_in_a_domain(host)  # `null`: a page without an origin of its own
