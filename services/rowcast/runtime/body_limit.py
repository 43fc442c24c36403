"""Refuses request bodies that are larger than an application ever needs."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowcast.runtime.problems import EVENTS_PREFIX, problem


class BodyLimitMiddleware:
    """Answers 413 to a body over `limit` bytes, whether the request declares its length or streams."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._detail = f"the request's body may have at most {limit} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http" or scope["path"].startswith(EVENTS_PREFIX):
            # The sidecar would bring a batch that was refused for its size again, the same one, for ever.
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._limit:
            await problem(413, self._detail)(scope, receive, send)
            return
        received = 0

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._detail)  # the one class that FastAPI's body parsing lets through
            return message

        await self._app(scope, counted_receive, send)
