"""When to reconcile: now and then, after a snapshot, single rows that are late, and at once those that have drifted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from rowcast.core.errors import TransientError
from rowcast.core.ports import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import BATCH, BusyError, Reconciler
from rowcast.sync.reconcile.run import State
from rowcast.sync.reconcile.table import TABLE, LateRow

RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 60.0
GATHER_SECONDS = 0.2
LATE_SECONDS = 60.0
"""How often late rows are looked for; those are late that were changed half of it ago."""
LATE_AGAIN_SECONDS = 10.0
FIRST_LATE_SECONDS = 10.0
"""After a start: what waited in the instance before is to wait no longer than that."""
AGAIN_SECONDS = 2.0
FEW = 20
"""Rows that drifted and failed to be put right, tried again together every AGAIN_SECONDS."""
QUIET_SECONDS = 2.0
"""A snapshot that has sent nothing for so long is taken to be over; too early a reconcile does no harm."""


class Period:
    """Reconciles every `seconds`, sooner after a failure that passes; only looks if `correct` is false."""

    def __init__(self, reconciler: Reconciler, seconds: float, prune_limit: float, correct: bool) -> None:
        self._reconciler = reconciler
        self._seconds = seconds
        self._prune_limit = prune_limit
        self._correct = correct

    async def run(self) -> None:
        """Until cancelled."""
        # By chance, so that instances don't read together; not at once, since events that waited are on their way.
        pause = self._seconds * random.uniform(0.2, 1)  # noqa: S311 - not a secret
        while True:
            await asyncio.sleep(pause)
            pause = self._seconds * random.uniform(0.9, 1.1)  # noqa: S311
            try:
                run = self._reconciler.begin("period", dry_run=not self._correct)
            except BusyError:
                continue
            await self._reconciler.execute(run, self._prune_limit)
            if run.state is State.FAILED:
                pause = min(pause, RETRY_SECONDS)


class AfterSnapshot:
    """Reconciles when events of a snapshot came and then none for `quiet` seconds; only looks if `correct` is false.

    A snapshot shows the rows that there are. Those that were deleted in what change capture has skipped (its slot or
    its offsets were lost) it doesn't show, and nothing else would before the next period.
    """

    def __init__(self, reconciler: Reconciler, prune_limit: float, correct: bool, quiet: float = QUIET_SECONDS) -> None:
        self._reconciler = reconciler
        self._prune_limit = prune_limit
        self._correct = correct
        self._quiet = quiet
        self._news = asyncio.Event()

    def notice(self) -> None:
        """An event of a snapshot has come; returns at once."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            while self._news.is_set():
                self._news.clear()
                await asyncio.sleep(self._quiet)
            pause = self._quiet
            while not await self._reconcile():
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def _reconcile(self) -> bool:
        """Whether it came to an end: one that another run kept from beginning, or that failed, is to be tried again."""
        try:
            run = self._reconciler.begin("snapshot", dry_run=not self._correct)
        except BusyError:
            return False
        await self._reconciler.execute(run, self._prune_limit)
        return run.state is not State.FAILED


class LateRows(Protocol):
    """Knows which rows a target has not reported."""

    async def late(self, target: str, seconds: float, after: int = 0) -> tuple[Sequence[LateRow], bool]:
        """Those above the id `after`, and whether there may be more. Raises TransientError."""
        ...


class Late:
    """Looks after rows that have not arrived though time has passed since their change.

    They waited in an instance that has ended, or their event or status was lost on its way. Rows that wait in this
    instance are left to it. It is no correction of drift: the row's own change has never been delivered.
    """

    def __init__(
        self, reconciler: Reconciler, source: LateRows, target: str, waits_here: Callable[[RowKey], bool]
    ) -> None:
        self._reconciler = reconciler
        self._source = source
        self._target = target
        self._waits_here = waits_here
        self._log = get_logger("rowcast.reconcile")

    async def run(self) -> None:
        """Until cancelled."""
        seconds = pause = FIRST_LATE_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - not a secret
            try:
                pause = LATE_AGAIN_SECONDS if await self.look(seconds) else LATE_SECONDS
            except TransientError as error:
                self._log.warning("late rows not looked after, trying again", error=str(error))
                pause = LATE_AGAIN_SECONDS
            except Exception:
                self._log.exception("late rows not looked after, trying again")
                pause = LATE_SECONDS
            else:
                seconds = LATE_SECONDS / 2

    async def look(self, seconds: float) -> int:
        """Deliver what is late by more than that; how many rows have to be tried again. Raises TransientError."""
        after, more, again = 0, True, 0
        while more:
            rows, more = await self._source.late(self._target, seconds, after)
            after = rows[-1].row_id if rows else after
            missing = [row for row in rows if not self._waits_here((TABLE, row.row_id))]
            if missing:
                shown = [f"{row.row_id}@{row.generation}" for row in missing[:20]]
                self._log.warning("rows are late, and delivered from the table", count=len(missing), rows=shown)
                again += await self._reconciler.late(missing)
        return again


class Drift:
    """Two queues of rows that somebody else has touched at the target, each row in one of them, once.

    What can't be put right at once waits apart, so that it keeps no other row from being put right.
    """

    def __init__(self, reconciler: Reconciler, metrics: ReconcileMetrics, correct: bool) -> None:
        self._reconciler = reconciler
        self._metrics = metrics
        self._correct = correct
        self._rows: set[RowKey] = set()
        self._again: dict[RowKey, int] = {}
        self._news = asyncio.Event()
        self._trouble = asyncio.Event()
        self._log = get_logger("rowcast.reconcile")

    def notice(self, row: RowKey) -> None:
        """Take a row in; returns at once."""
        self._metrics.drift()
        if not self._correct:
            self._log.warning("drift noticed and left, as set", table=row[0], row_id=row[1])
            return
        self._rows.add(row)
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run())
            tasks.create_task(self._run_again())

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            while self._rows:
                batch = [self._rows.pop() for _ in range(min(BATCH, len(self._rows)))]
                for row in await self._heal(batch, again=False):
                    self._again.setdefault(row, 0)
                    self._trouble.set()

    async def _run_again(self) -> None:
        while True:
            await self._trouble.wait()
            await asyncio.sleep(random.uniform(0.5, 1) * AGAIN_SECONDS)  # noqa: S311 - not a secret
            # Those first that were tried least often: what has just begun to fail may have lost a race.
            batch = sorted(self._again, key=lambda row: self._again[row])[:FEW]
            failed = await self._heal(batch, again=True)
            for row in batch:
                tries = self._again.pop(row)
                if row in failed and row not in self._rows:
                    self._again[row] = tries + 1
            if not self._again:
                self._trouble.clear()

    async def _heal(self, batch: list[RowKey], *, again: bool) -> set[RowKey]:
        """Put rows right; those that have to be tried again."""
        row_ids = [row_id for _, row_id in batch]
        try:
            failed = await self._reconciler.heal(row_ids, again=again)
        except TransientError as error:
            self._log.warning("drift not corrected yet", error=str(error), row_ids=row_ids[:20])
            return set(batch)
        except Exception:
            self._log.exception("drift not corrected; the next reconcile will", row_ids=row_ids[:20])
            return set()
        if failed:
            reason = next(iter(failed.values()))
            self._log.warning("drift not corrected yet", error=reason, row_ids=sorted(failed)[:20])
        return {row for row in batch if row[1] in failed}
