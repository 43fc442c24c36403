"""Compares and converges: the whole table when it is time or asked for, single rows when the target shows drift."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.messages import Status, row_of
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Target
from rowcast.core.reconcile import Comparison, Difference, ReconcilePlan
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.run import Run, State
from rowcast.sync.status.report import LETTERS_AT_ONCE, DeadLetterTopic, Publisher, StatusTopic, Topics
from rowcast.sync.table.rows import LateRow, Table
from rowcast.sync.table.settling import CAUSE, Settled, Settling, told

BATCH = 500
YIELD_EVERY = 200
"""Rows compared before others get a turn of the event loop."""
LOGGED = 20
LETTER_AGAIN_SECONDS = 300.0
"""How soon a row that is still refused gets its dead letter published again, in case that was replayed meanwhile."""


class BusyError(Exception):
    """A reconcile is running already."""


class Reconciler:
    """At most one reconcile of the whole table at a time; `current` and `last` tell about it."""

    def __init__(
        self,
        target: Target,
        table: Table,
        publisher: Publisher,
        topics: Topics,
        metrics: ReconcileMetrics,
        later: Callable[[Sequence[Status]], None] = lambda _: None,
    ) -> None:
        """`later` takes the statuses that could not be published at once."""
        self._target = target
        self._table = table
        self._statuses = StatusTopic(target.name, publisher, topics.status)
        self._letters = DeadLetterTopic(target.name, publisher, topics.dead_letters)
        self._later = later
        self._metrics = metrics
        self._settling = Settling(target, table)
        self._kept: dict[tuple[RowKey, int, bool], float] = {}
        self._log = get_logger("rowcast.reconcile")
        self.current: Run | None = None
        self.last: Run | None = None

    def begin(self, trigger: str, dry_run: bool) -> Run:
        """Reserve the one place there is; `execute` must follow. Raises BusyError."""
        if self.current is not None:
            raise BusyError(f"a reconcile by {self.current.trigger} is running since {self.current.started_at}")
        self.current = Run(trigger, dry_run)
        return self.current

    async def execute(self, run: Run, prune_limit: float | None = None) -> None:
        """Do it, and tell; nothing is raised, the run says how it ended."""
        started = time.perf_counter()
        try:
            await self._execute(run, prune_limit)
        except TransientError as error:
            run.end(State.FAILED, str(error))
        except asyncio.CancelledError:
            run.end(State.FAILED, "the instance was stopped")
            raise
        except Exception as error:
            run.end(State.FAILED, f"unexpected error: {error!r}")
            self._log.exception("reconcile failed")
        finally:
            self.current, self.last = None, run
            self._metrics.ended(run, time.perf_counter() - started)
            self._tell(run)

    async def heal(self, rows: Iterable[RowKey], *, again: bool = False) -> dict[RowKey, str]:
        """Deliver single rows as the table has them; why it failed of those that have to be tried again.

        Raises TransientError when that is so of all.
        """
        settled = await self._settling.rows(rows, again=again)
        settled.results = {
            row: (desired, result)
            for row, (desired, result) in settled.results.items()
            if not (isinstance(result, Delivered) and result.outcome is Outcome.UNCHANGED)
        }
        left = await self._report(settled, "drift")
        return left | {
            row: str(result.error)
            for row, (_, result) in settled.results.items()
            if not isinstance(result, Delivered) and isinstance(result.error, TransientError)
        }

    async def late(self, rows: Sequence[LateRow]) -> tuple[set[RowKey], list[str | None]]:
        """Deliver rows that have not arrived, and tell what became of them.

        Gives those that have still to be tried again, and of each whose event has not come when it was saved: where
        nothing had to be done, it was only the status.

        What the target refuses for good becomes a dead letter, as the event would have that has not come.
        Raises TransientError when none could be.
        """
        settled = await self._settling.late(rows)
        again = {row for row, (_, result) in settled.results.items() if not told(result)}
        missed, asked = [], {one.row for one in rows}
        for desired, result in settled.results.values():
            # Not of a row that was brought in for what it has: its event may be waiting somewhere.
            if isinstance(result, Delivered) and desired.row in asked:
                self._metrics.late(desired.row.renderer, result.outcome)
                if result.outcome is not Outcome.UNCHANGED:
                    missed.append(desired.saved_at)
        again |= (await self._report(settled, "late")).keys()
        return again, missed

    async def _dead_letters(self, settled: Settled, cause: str) -> dict[RowKey, str]:
        """Publish a dead letter for each row that the target refuses for good; why the broker did not take it."""
        turn = asyncio.Semaphore(LETTERS_AT_ONCE)
        left: dict[RowKey, str] = {}

        async def one(desired: Desired, error: PermanentError) -> None:
            try:
                async with turn:
                    await self._letters.publish(self._letters.row_letter(desired, error))
            except TransientError as trouble:
                left[desired.row] = str(trouble)

        now = time.monotonic()
        self._kept = {key: at for key, at in self._kept.items() if now - at < LETTER_AGAIN_SECONDS}
        refused = [
            (desired, result.error)
            for desired, result in settled.results.values()
            if not isinstance(result, Delivered)
            and isinstance(result.error, PermanentError)
            and _generation(desired) not in self._kept
        ]
        await asyncio.gather(*(one(desired, error) for desired, error in refused))
        kept = [(desired, error) for desired, error in refused if desired.row not in left]
        self._kept |= dict.fromkeys((_generation(desired) for desired, _ in kept), now)
        if kept:
            rows = [f"{desired.row}@{desired.generation} {error.reason}: {error}" for desired, error in kept]
            self._log.error("dead-lettered", cause=cause, count=len(rows), rows=rows[:LOGGED])
        if left:
            reason, rows_left = next(iter(left.values())), [str(row) for row in sorted(left)[:LOGGED]]
            self._log.warning("dead letters not published, trying again", error=reason, rows=rows_left)
        return left

    async def _execute(self, run: Run, prune_limit: float | None) -> None:
        run.plan = await self._compare(run)
        refusal = run.plan.refusal(prune_limit)
        if refusal is not None:
            run.end(State.REFUSED, refusal)
        elif run.dry_run:
            run.end(State.DONE)
        else:
            await self._converge(run, run.plan.differences)
            run.end(State.FAILED if run.failures else State.DONE, _summary(run))

    async def _compare(self, run: Run) -> ReconcilePlan:
        # The inventory first: what is in it then and not in the table is no row that was just created.
        inventory = await self._target.inventory()
        async with self._table.snapshot() as snapshot:
            comparison = Comparison(inventory, snapshot.lsn)
            run.total = snapshot.total
            async for desired in snapshot.rows:
                try:
                    if isinstance(desired.refusal, TransientError):
                        # One that can't be rendered for now keeps no other from being compared.
                        comparison.unknown(desired.row)
                        run.fail(f"{desired.name} (row {desired.row}): {desired.refusal}")
                    else:
                        comparison.row(desired, self._target.expect(desired))
                except PermanentError:
                    comparison.invalid(desired)
                run.done += 1
                if run.done % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        return comparison.finish()

    async def _converge(self, run: Run, differences: Sequence[Difference]) -> None:
        run.state, run.done, run.total = State.DELIVERING, 0, len(differences)
        for start in range(0, len(differences), BATCH):
            batch = differences[start : start + BATCH]
            settled = await self._settling.differences(batch)
            for desired, result in settled.results.values():
                if isinstance(result, Delivered):
                    run.outcomes[result.outcome] += 1
                else:
                    run.fail(f"{desired.name} (row {desired.row}): {result.error}")
            run.skipped += settled.skipped
            run.done += len(batch)
            await self._report(settled, CAUSE)
            self._log.info("reconciling", done=run.done, total=run.total)

    async def _report(self, settled: Settled, cause: str) -> dict[RowKey, str]:
        """Publish what became of rows; those that have to be tried again for want of a dead letter, and why.

        What is told counts as settled: so first the letter, then the status.
        """
        unkept = await self._dead_letters(settled, cause)
        worth = {row: pair for row, pair in settled.results.items() if told(pair[1]) and row not in unkept}
        statuses = Settled(worth).statuses()
        if not statuses:
            return unkept
        for status in statuses:
            self._metrics.outcome(status["renderer"], status["outcome"])
        self._log.info(
            "reconciled rows",
            cause=CAUSE,
            rows=[f"{row_of(one)}@{one['generation']} {one['outcome']}" for one in statuses[:LOGGED]],
            count=len(statuses),
            errors=[one["error"] for one in statuses if one["error"]][:LOGGED],
        )
        left, reason = await self._statuses.publish(statuses)
        if left:
            self._log.warning("status not published, trying again", error=reason, count=len(left))
            self._later(left)
        return unkept

    def _tell(self, run: Run) -> None:
        log = self._log.info if run.state is State.DONE else self._log.warning
        log(
            "reconcile ended",
            trigger=run.trigger,
            dry_run=run.dry_run,
            state=str(run.state),
            error=run.error,
            differences=dict(run.plan.counts()) if run.plan else None,
            outcomes={str(outcome): count for outcome, count in run.outcomes.items()},
            skipped=run.skipped,
            plan=list(run.plan.lines(LOGGED)) if run.plan and not run.plan.in_sync else [],
        )


def _generation(desired: Desired) -> tuple[RowKey, int, bool]:
    return desired.row, desired.generation, desired.deleted


def _summary(run: Run) -> str | None:
    return f"{run.failures} rows could not be delivered, the first: {run.failed[0]}" if run.failures else None
