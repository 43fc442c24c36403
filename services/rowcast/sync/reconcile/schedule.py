"""When to reconcile: now and then, after a snapshot, and at once the rows that a target shows to have drifted."""

from __future__ import annotations

import asyncio
import random

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from rowcast.core.errors import TransientError
from rowcast.core.ports import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import BATCH, BusyError, Reconciler
from rowcast.sync.reconcile.run import State

RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 60.0
GATHER_SECONDS = 0.2
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


class Drift:
    """A queue of rows that somebody else has touched at the target, each in it once."""

    def __init__(self, reconciler: Reconciler, metrics: ReconcileMetrics, correct: bool) -> None:
        self._reconciler = reconciler
        self._metrics = metrics
        self._correct = correct
        self._rows: set[RowKey] = set()
        self._news = asyncio.Event()
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
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            while self._rows:
                batch = [self._rows.pop() for _ in range(min(BATCH, len(self._rows)))]
                await self._heal(batch)

    async def _heal(self, batch: list[RowKey]) -> None:
        row_ids = [row_id for _, row_id in batch]
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(TransientError), wait=wait_random_exponential(multiplier=0.2, max=5)
            ):
                with attempt:
                    await self._reconciler.heal(row_ids)
        except Exception:
            self._log.exception("drift not corrected; the next reconcile will", row_ids=row_ids[:20])
