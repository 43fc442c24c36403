"""Looks again and again, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from rowcast.core.errors import TransientError
from rowcast.runtime.logging import get_logger


class Looking:
    """A task that calls `look` at once and then every `seconds`. What it raises is logged, each trouble once."""

    def __init__(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._said: str | None = None
        self._log = get_logger("rowcast.target")

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._closing.clear()
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End it."""
        if self._task is None:
            return
        self._closing.set()  # a cancellation alone may get lost in `asyncio.wait_for` before Python 3.12
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _run(self) -> None:
        while not self._closing.is_set():
            await self._once()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._closing.wait()

    async def _once(self) -> None:
        try:
            await self._look()
            self._said = None
        except TransientError as error:
            if str(error) != self._said:
                self._log.warning("what is proposed can't be followed, trying again", error=str(error))
            self._said = str(error)
        except Exception:
            self._log.exception("following what is proposed failed")
