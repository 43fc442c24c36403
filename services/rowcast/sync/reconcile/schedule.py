"""When to reconcile: now and then, after a snapshot, single rows that are late, and at once those that have drifted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from rowcast.core.errors import TransientError
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.intake.flow import EVERYTHING, NOTHING, moment
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import BATCH, BusyError, Reconciler
from rowcast.sync.reconcile.run import State
from rowcast.sync.table.rows import LateRow

RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 60.0
GATHER_SECONDS = 0.2
FIRST_LATE_SECONDS = 10.0
"""After a start: what waited in the instance before is to wait no longer than that."""
LATE_AGAIN_SECONDS = 10.0
LATE_TOLD_SECONDS = 60.0
"""How long a status may take to be recorded before its row is looked after once more."""
WHOLE_SECONDS = 60.0
"""How often late rows are looked for among all; in between among those that changed in the last RECENT_SECONDS."""
RECENT_SECONDS = 180.0
LEAST_SECONDS, MOST_SECONDS = 1.0, 60.0
"""How long ago a row's change must be for it to be late."""
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
        before: State | None = None
        while True:
            await asyncio.sleep(pause)
            pause = self._seconds * random.uniform(0.9, 1.1)  # noqa: S311
            try:
                run = self._reconciler.begin("period", dry_run=not self._correct)
            except BusyError:
                continue
            await self._reconciler.execute(run, self._prune_limit)
            if _is_looked_at_again(run.state, before):
                pause = min(pause, RETRY_SECONDS)
            before = run.state


class AfterSnapshot:
    """Reconciles when events of a snapshot came and then none for `quiet` seconds; only looks if `correct` is false.

    A snapshot shows the rows that there are. Those that were deleted in what change capture has skipped (its slot or
    its offsets were lost) it doesn't show, and nothing else would before the next period.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        prune_limit: float,
        correct: bool,
        under_way: Callable[[], bool] = lambda: False,
        quiet: float = QUIET_SECONDS,
    ) -> None:
        """`under_way`: whether events are being delivered. A batch may take a target longer than `quiet`."""
        self._reconciler = reconciler
        self._prune_limit = prune_limit
        self._correct = correct
        self._under_way = under_way
        self._quiet = quiet
        self._news = asyncio.Event()

    def notice(self) -> None:
        """Events of a snapshot have come, or were delivered; returns at once."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            await self._until_quiet()
            pause = self._quiet
            before: State | None = None
            while (state := await self._reconcile()) is None or _is_looked_at_again(state, before):
                before = state
                await asyncio.sleep(pause)
                await self._until_quiet()
                pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def _until_quiet(self) -> None:
        while self._news.is_set() or self._under_way():
            self._news.clear()
            await asyncio.sleep(self._quiet)

    async def _reconcile(self) -> State | None:
        """How it ended; None where another run kept it from beginning."""
        try:
            run = self._reconciler.begin("snapshot", dry_run=not self._correct)
        except BusyError:
            return None
        await self._reconciler.execute(run, self._prune_limit)
        return run.state


def _is_looked_at_again(state: State, before: State | None) -> bool:
    """Soon: after a failure that passes, and once after a refusal, as deletions of many rows may be on their way."""
    return state is State.FAILED or (state is State.REFUSED and before is not State.REFUSED)


class LateRows(Protocol):
    """Knows which rows a target has not reported."""

    async def late(
        self,
        target: str,
        seconds: float,
        after: RowKey | None = None,
        within: float | None = None,
        before: datetime | None = None,
    ) -> tuple[Sequence[LateRow], bool]:
        """Those that come after the row `after`, and whether there may be more.

        Changed longer than `seconds` and no longer than `within` ago, and `before` a moment. Raises TransientError.
        """
        ...


class Late:
    """Looks after rows that have not arrived though time has passed since their change.

    They waited in an instance that has ended, or their event or status was lost on its way. Rows that wait in this
    instance are left to it, and while events flow, those that the flow hasn't come to. It is no correction of drift:
    the row's own change has never been delivered.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        source: LateRows,
        target: str,
        waits_here: Callable[[RowKey], bool],
        passed: Callable[[float], datetime],
        seconds: float = 60.0,
        *,
        ahead: bool = False,
        newest: Callable[[], datetime] = lambda: NOTHING,
        on_missed: Callable[[int], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Every `seconds`; those are late that were changed half of it ago, or a minute. `passed` is `Flow.passed`,
        `newest` is `Flow.newest`.

        `ahead`: deliver what the flow hasn't come to as well. Where events come one by one, a backlog is delivered from
        the table in batches in a fraction of the time, and its events then change nothing. `on_missed` is awaited
        after a look that found rows whose events have not come, though later ones have, with how many they are.
        """
        self._reconciler = reconciler
        self._source = source
        self._target = target
        self._waits_here = waits_here
        self._passed = passed
        self._seconds = seconds
        self._ahead = ahead
        self._clock = clock
        self._newest = newest
        self._on_missed = on_missed
        self._asking = 0.0
        self._not_before: dict[RowKey, tuple[LateRow, float]] = {}
        self._log = get_logger("rowcast.reconcile")

    async def run(self) -> None:
        """Until cancelled."""
        usual = min(max(self._seconds / 2, LEAST_SECONDS), MOST_SECONDS)
        seconds, pause, whole_at = min(usual, FIRST_LATE_SECONDS), min(self._seconds, FIRST_LATE_SECONDS), 0.0
        while True:
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - not a secret
            pause, began = min(self._seconds, LATE_AGAIN_SECONDS), self._clock()
            try:
                again = await self.look(seconds, None if began >= whole_at else RECENT_SECONDS)
            except TransientError as error:
                self._log.warning("late rows not looked after, trying again", error=str(error))
                continue
            except Exception:
                self._log.exception("late rows not looked after, trying again")
                pause = self._seconds
                continue
            if again is None:
                continue
            # A look at very many rows takes the database's time: a tenth of it at the most.
            pause = max(pause if again else self._seconds, 10 * self._asking)
            seconds = usual
            whole_at = began + WHOLE_SECONDS if began >= whole_at else whole_at

    async def look(self, seconds: float, within: float | None = None) -> int | None:
        """Deliver what is late by more than `seconds`, and by no more than `within`; how many rows failed again.

        None where nothing was looked at: events have not flowed long enough for it to be told which are late.
        Raises TransientError.
        """
        passed = EVERYTHING if self._ahead else self._passed(seconds)
        if passed == NOTHING:
            return None
        before = None if passed == EVERYTHING else passed
        # When nothing comes any more, capture may have stopped: then an event is missed if a later one came before.
        overtaken = self._newest() if before is None else EVERYTHING
        after, more, again, missed, self._asking = None, True, 0, 0, 0.0
        while more:
            asked = self._clock()
            rows, more = await self._source.late(self._target, seconds, after, within, before)
            self._asking += self._clock() - asked
            after = rows[-1].row if rows else after
            failed, unseen = await self._deliver([row for row in rows if self._is_due(row)])
            again, missed = again + failed, missed + sum(moment(saved) < overtaken for saved in unseen if saved)
        if missed and self._on_missed is not None:
            await self._on_missed(missed)
        if within is None:
            now = self._clock()
            self._not_before = {row: kept for row, kept in self._not_before.items() if kept[1] > now}
        return again

    def _is_due(self, row: LateRow) -> bool:
        known, due = self._not_before.get(row.row, (None, 0.0))
        return not self._waits_here(row.row) and (row != known or due <= self._clock())

    async def _deliver(self, rows: Sequence[LateRow]) -> tuple[int, Sequence[str | None]]:
        """How many rows failed again, and of each whose event has not come when it was saved."""
        if not rows:
            return 0, ()
        shown = [f"{row.row}@{row.generation}" for row in rows[:20]]
        self._log.warning("rows are late, and delivered from the table", count=len(rows), rows=shown)
        failed, missed = await self._reconciler.late(rows)
        now = self._clock()
        for row in rows:
            pause = LATE_AGAIN_SECONDS if row.row in failed else LATE_TOLD_SECONDS
            self._not_before[row.row] = (row, now + pause)
        return len(failed), missed


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
        self._metrics.drift(row.renderer)
        if not self._correct:
            self._log.warning("drift noticed and left, as set", row=str(row))
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
        shown = [str(row) for row in batch[:20]]
        try:
            failed = await self._reconciler.heal(batch, again=again)
        except TransientError as error:
            self._log.warning("drift not corrected yet", error=str(error), rows=shown)
            return set(batch)
        except Exception:
            self._log.exception("drift not corrected; the next reconcile will", rows=shown)
            return set()
        if failed:
            reason = next(iter(failed.values()))
            self._log.warning("drift not corrected yet", error=reason, rows=[str(row) for row in sorted(failed)[:20]])
        return set(failed)
