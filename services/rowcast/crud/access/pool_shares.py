"""Who may use the pool of connections at the same time, so that nothing that waits takes all of it.

Changes can wait for a lock, exports and snapshots for their readers. Each has a part of the pool; what is left over, at
least a quarter, is for everything that ends by itself: lists, single rows, reports of sync, readiness.
"""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from rowcast.crud.errors import BusyError
from rowcast.crud.settings import CrudSettings


class Places:
    """So many at the same time. `what` names them in the error, such as `exports`."""

    def __init__(self, number: int, what: str) -> None:
        self._free = threading.Semaphore(number)
        self._refusal = f"{number} {what} are running already, as many as there may be; try again"

    def take(self) -> None:
        """Take one until `give_back`. Raises BusyError if there is none."""
        if not self._free.acquire(blocking=False):
            raise BusyError(self._refusal)

    def give_back(self) -> None:
        """Whoever took it calls this once."""
        self._free.release()


class Queue:
    """So many at the same time, and others wait their turn without a thread of their own; in one event loop."""

    def __init__(self, number: int, seconds: float, what: str) -> None:
        self._free = anyio.Semaphore(number)
        self._seconds = seconds
        self._refusal = f"{number} {what} are running already, as many as there may be; try again"

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises BusyError if it doesn't come within so many seconds."""
        with anyio.move_on_after(self._seconds) as waiting:
            await self._free.acquire()
        if waiting.cancelled_caught:
            raise BusyError(self._refusal)
        try:
            yield
        finally:
            self._free.release()


class Shares:
    """The parts of the pool; made in the application's start or before."""

    def __init__(self, settings: CrudSettings) -> None:
        connections = settings.database_pool_size + settings.database_pool_overflow
        quarter = max(1, connections // 4)
        self.exports = Places(quarter, "exports")
        self.snapshots = Places(quarter, "snapshots of the whole table")
        self.changes = Queue(quarter, settings.database_pool_wait_seconds, "changes")
