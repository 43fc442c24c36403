"""Answers that are read from the database while they are sent: bounded in number and in time.

Each of them holds a connection and a transaction for as long as its reader takes, and a reader may take for ever.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Final

import anyio
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from rowcast.crud.settings import CrudSettings
from rowcast.runtime.logging import get_logger
from rowcast.runtime.methods import HEAD_SCOPE

PIECE_BYTES: Final = 65_536
"""What a reader must take within `stream_stall_seconds` (bytes): whoever reads slower than that is cut off."""


class TableStream(StreamingResponse):
    """Sends `parts` (bytes), then calls `close` in a thread, whatever happens, also when its reader leaves or stalls.

    A reader is cut off without an end of the body: it can tell that what it has is not the whole. Uvicorn closes the
    connection then.
    """

    def __init__(
        self,
        parts: Iterator[bytes],
        close: Callable[[], None],
        settings: CrudSettings,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(_pieces(parts), media_type=media_type, headers=headers)
        self._close = close
        self._stall_seconds = settings.stream_stall_seconds
        self._seconds = settings.stream_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; returns when it is sent, or when the reader is cut off."""
        end = anyio.current_time() + self._seconds
        async with AsyncExitStack() as finally_:
            finally_.push_async_callback(self._closed)
            with anyio.CancelScope(deadline=end) as sending:

                async def paced(message: Message) -> None:
                    sending.deadline = min(anyio.current_time() + self._stall_seconds, end)
                    await send(message)
                    sending.deadline = end

                if HEAD_SCOPE in scope:
                    await Response(headers=dict(self.headers)).__call__(scope, receive, paced)
                else:
                    await super().__call__(scope, receive, paced)
            if sending.cancelled_caught:
                get_logger("rowcast.crud").warning("a reader that took too long was cut off", path=scope["path"])

    async def _closed(self) -> None:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(self._close)


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        for start in range(0, len(part), PIECE_BYTES):
            yield part[start : start + PIECE_BYTES]
