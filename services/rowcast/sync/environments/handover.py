"""Rows that have left this instance for another one's: taken away when they have arrived there, not before.

Nothing of it is kept: what waits when an instance ends is found by the next reconcile, and waits again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from rowcast.core.errors import RowcastError
from rowcast.core.moves import Whereabouts, may_leave
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News, NewsListener, Result
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.status.report import ROWS_IN_A_LOG_LINE

FIRST_SECONDS, LONGEST_SECONDS = 0.2, 5.0
WAITS = "its environment is delivered by another target; what is here stays until it has arrived there"


class Register(Protocol):
    """Knows where rows are."""

    async def whereabouts(self, rows: Collection[RowKey]) -> Mapping[RowKey, Whereabouts]:
        """Those of these rows that the table has. Raises TransientError."""
        ...


class Departures:
    """The rows that wait, and the work of letting them go."""

    def __init__(
        self,
        target: str,
        register: Register,
        ours: Callable[[str], bool],
        take: Callable[[Sequence[Desired]], Awaitable[Mapping[RowKey, Result]]],
    ) -> None:
        """`ours` tells of an environment whether this instance delivers it; `take` takes rows away from it."""
        self._target = target
        self._register = register
        self._ours = ours
        self._take = take
        self._waiting: dict[RowKey, Desired] = {}
        self._since: dict[RowKey, int] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = get_logger("rowcast.target")
        self.listener: NewsListener = lambda _news: None

    def start(self) -> None:
        """Begin to look after them; may be called again."""
        self._task = self._task or asyncio.create_task(self._run())

    async def close(self) -> None:
        """Leave them where they are."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wait(self, desired: Desired) -> Delivered:
        """A row has left with this state, or with an earlier one; its result meanwhile."""
        self._waiting[desired.row] = desired
        self._since.setdefault(desired.row, desired.generation)
        self._woken.set()
        return Delivered(Outcome.ELSEWHERE, trouble=WAITS)

    def forget(self, row: RowKey) -> None:
        """It has come back, or is gone for good."""
        self._waiting.pop(row, None)
        self._since.pop(row, None)

    def generation(self, row: RowKey) -> int:
        """The newest generation of a row that waits; 0 for one that doesn't."""
        return self._waiting[row].generation if row in self._waiting else 0

    async def _run(self) -> None:
        pause = FIRST_SECONDS
        while True:
            if not self._waiting:
                pause = FIRST_SECONDS
                await self._woken.wait()
            self._woken.clear()
            await asyncio.sleep(pause)
            pause = FIRST_SECONDS if self._woken.is_set() else min(pause * 2, LONGEST_SECONDS)
            try:
                await self.look()
            except RowcastError as error:
                self._log.warning("rows that left wait on", count=len(self._waiting), error=str(error))
            except Exception:
                self._log.exception("looking after rows that left failed")

    async def look(self) -> None:
        """Let go of those that have arrived. Raises TransientError while that can't be known."""
        waiting = dict(self._waiting)
        found = await self._register.whereabouts(list(waiting))
        arrived = []
        for row, desired in waiting.items():
            there = found.get(row)
            if there is None or self._ours(there.environment):
                # Its deletion, or its return, has an event of its own.
                self.forget(row)
            elif may_leave(there, self._target, self._since.get(row, desired.generation)):
                arrived.append(desired)
        if arrived:
            await self._let_go(arrived)

    async def _let_go(self, arrived: Sequence[Desired]) -> None:
        results = await self._take([one.removed(elsewhere=True) for one in arrived])
        gone = [one for one in arrived if isinstance(results.get(one.row), Delivered)]
        for one in gone:
            if self.generation(one.row) == one.generation:
                self.forget(one.row)
        if gone:
            rows = [f"{one.row}@{one.generation}" for one in gone[:ROWS_IN_A_LOG_LINE]]
            self._log.info("rows have arrived at another target, and are taken away", count=len(gone), rows=rows)
        self.listener([_news(one) for one in gone])


def _news(one: Desired) -> News:
    return News(one.row, one.name, one.generation, False, Delivered(Outcome.ELSEWHERE), one.saved_at)
