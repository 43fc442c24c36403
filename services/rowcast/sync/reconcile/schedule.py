"""When to reconcile: now and then the whole table, and at once the rows that a target shows to have drifted."""

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
GATHER_SECONDS = 0.2


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
