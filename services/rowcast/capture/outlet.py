"""The loop's publisher, for the thread that the engine runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from rowcast.capture.events import Event
from rowcast.core.errors import TransientError

PREPARE_SECONDS = 60.0


class LoopOutlet:
    """Has the event loop do what the engine's thread waits for."""

    def __init__(
        self,
        publish: Callable[[Sequence[Event]], Coroutine[Any, Any, None]],
        prepare: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._publish = publish
        self._prepare = prepare
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: Future[None] | None = None

    def open(self) -> None:
        """In the loop that does the work."""
        self._loop = asyncio.get_running_loop()

    def prepare(self) -> None:
        """Makes the broker ready. Raises TransientError, PermanentError."""
        self._wait(self._prepare(), PREPARE_SECONDS)

    def publish(self, events: Sequence[Event]) -> None:
        """Returns when the broker has them all."""
        if events:
            self._wait(self._publish(events), None)

    def cancel(self) -> None:
        """Ends what waits, from another thread."""
        waiting = self._waiting
        if waiting is not None:
            waiting.cancel()

    def _wait(self, work: Coroutine[Any, Any, None], seconds: float | None) -> None:
        if self._loop is None:
            work.close()
            raise TransientError("the event loop has not started")
        self._waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            self._waiting.result(seconds)
        except CancelledError:
            raise TransientError("publishing was ended") from None
        except TimeoutError:
            self._waiting.cancel()
            raise TransientError(f"not done within {seconds:g} s") from None
        finally:
            self._waiting = None
