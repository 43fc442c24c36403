"""HEAD, OPTIONS and Allow for every route, as RFC 9110 (sections 9.3.2, 9.3.7, 10.2.1) has them."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowcast.runtime.problems import problem

HEAD_SCOPE = "rowcast.head"
"""Set in the scope of a GET that stands for a HEAD, for whoever would send much."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allowed(router: Router, scope: Scope) -> str:
    """What `Allow` says of the scope's path; empty if there is nothing."""
    methods = [method for method in _METHODS if _matches(router, {**scope, "method": method})]
    if "GET" in methods:
        methods.insert(1, "HEAD")
    return ", ".join([*methods, "OPTIONS"]) if methods else ""


def _matches(router: Router, scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in router.routes)


class MethodsMiddleware:
    """Answers HEAD as GET without its body, OPTIONS with what there is, and a wrong method with all the right ones."""

    def __init__(self, app: ASGIApp, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        elif allow := self._refusal(scope):
            if scope["method"] == "OPTIONS":
                await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allow.encode())]})
                await send({"type": "http.response.body"})
            else:
                await problem(405, "Method Not Allowed", headers={"allow": allow})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str:
        if scope["method"] == "OPTIONS" and scope["path"] == "*":
            return ", ".join((*_METHODS, "HEAD", "OPTIONS"))
        return "" if _matches(self._router, scope) else allowed(self._router, scope)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A scope of its own: the server must go on knowing that it is a HEAD.
        got = {**scope, "method": "GET", HEAD_SCOPE: True}

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        allow = self._refusal(got)
        if allow:
            await problem(405, "Method Not Allowed", headers={"allow": allow})(got, receive, without_body)
            return
        await self._app(got, receive, without_body)
        if "route" in got:
            scope["route"] = got["route"]  # for the metric


def combined(request: Request, name: str) -> str | None:
    """A header's value; several lines of it are one list (RFC 9110, section 5.3)."""
    lines = Headers(scope=request.scope).getlist(name)
    return ", ".join(lines) if lines else None
