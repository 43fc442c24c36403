"""From a batch of events to acknowledgements: decode, render, deliver, report. No word of HTTP or of a broker here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import Change, Op, decode
from rowcast.core.outcomes import RETRYING, Outcome
from rowcast.core.plan import latest
from rowcast.core.ports import Delivered, Failed, Result, RowKey, Target
from rowcast.core.render import Desired, render
from rowcast.runtime.logging import get_logger
from rowcast.runtime.tracing import Tracing
from rowcast.sync.batch import Batch, Entry
from rowcast.sync.facts import NO_ROW, Facts
from rowcast.sync.hindsight import Hindsight
from rowcast.sync.metrics import SyncMetrics
from rowcast.sync.moments import now
from rowcast.sync.reporting import Publisher, Reporting, Topics
from rowcast.sync.spans import BatchSpans

TROUBLE_SECONDS = 2.0
"""How long a row fails before its status says why: a lost race is no news."""
TROUBLE_AGAIN_SECONDS = 60.0


class Delivery:
    """Delivers batches to one target and reports what became of each row."""

    def __init__(
        self,
        target: Target,
        publisher: Publisher,
        topics: Topics,
        metrics: SyncMetrics,
        facts: Facts | None = None,
        tracing: Tracing | None = None,
        on_snapshot: Callable[[], None] = lambda: None,
        hindsight: Hindsight | None = None,
    ) -> None:
        self._target = target
        self._reporting = Reporting(target.name, publisher, topics)
        self._metrics = metrics
        self._troubles: dict[RowKey, tuple[float, float | None]] = {}
        self._facts = Facts() if facts is None else facts
        self._tracing = tracing
        self._on_snapshot = on_snapshot
        self._hindsight = hindsight
        self._log = get_logger("rowcast.delivery")

    async def deliver(self, entries: Sequence[Entry]) -> set[str]:
        """Deliver a batch, in the order of its entries; returns the ids of those that must be delivered again.

        An entry that is not among them has been applied, or was not news, or is in the dead-letter topic.
        """
        number = self._facts.began(len(entries))
        try:
            return await self._deliver(entries)
        except Exception as error:
            # A bug of ours: retried as long as it takes, counted for the alert, never taken for success.
            self._failed("bug", repr(error))
            self._facts.retried((NO_ROW,), repr(error))
            self._log.exception("delivery failed")
            return {entry.id for entry in entries}
        finally:
            self._facts.ended(number)

    async def _deliver(self, entries: Sequence[Entry]) -> set[str]:
        started = time.perf_counter()
        batch = Batch(entries, now())
        if self._tracing is not None:
            batch.spans = BatchSpans(self._tracing, self._target.name, len(entries))
        desired = self._desire(batch)
        if batch.spans:
            batch.spans.rendered()
        results = await self._attempt(desired)
        if batch.spans:
            batch.spans.delivered()
        for wanted, result in results:
            self._settle(batch, wanted, result)
        await self._reporting.publish(batch)
        self._metrics.batch(time.perf_counter() - started, len(entries))
        self._remember(batch)
        for outcome, count in batch.outcomes.items():
            self._metrics.outcome(outcome, count)
        return batch.retry

    def _desire(self, batch: Batch) -> list[Desired]:
        changes: list[Change] = []
        for entry in batch.entries:
            try:
                change = decode(entry.event, partly=self._hindsight is not None)
            except PermanentError as error:
                self._reporting.dead_letter(batch, (entry,), error)
                continue
            changes.append(change)
            if change.op is Op.READ:
                self._on_snapshot()
            self._facts.received(change, entry.position)
            self._metrics.captured(change, batch.captured_at)
            if batch.spans:
                batch.spans.follow(change)
            batch.rows.setdefault((change.table, change.row.id), []).append(entry)
        return [render(change) for change in latest(changes).values()]

    async def _attempt(self, desired: Sequence[Desired]) -> list[tuple[Desired, Result]]:
        if not desired:
            return []
        try:
            results = await (self._hindsight or self._target).deliver(desired)
        except TransientError as error:
            return [(wanted, Failed(error)) for wanted in desired]
        return [(_delivered(wanted, results[wanted.row]), results[wanted.row]) for wanted in desired]

    def _settle(self, batch: Batch, desired: Desired, result: Result) -> None:
        entries = batch.rows[desired.row]
        if isinstance(result, Delivered) or isinstance(result.error, PermanentError):
            self._troubles.pop(desired.row, None)
        match result:
            case Delivered(outcome, reference, stage=stage, link=link, trouble=trouble):
                batch.outcomes[outcome] += 1
                # The row's earlier events in this batch were overtaken before they could be delivered.
                batch.outcomes[Outcome.STALE] += len(entries) - 1
                self._reporting.status(batch, desired, outcome, reference, trouble, stage, link)
                self._metrics.delivered(desired, outcome)
            case Failed(PermanentError() as error):
                self._failed("permanent", str(error))
                self._reporting.dead_letter(batch, entries, error, desired)
                self._reporting.status(batch, desired, Outcome.DEAD_LETTERED, error=str(error))
            case Failed(error):
                self._failed("transient", str(error))
                batch.trouble.setdefault(str(error), []).append(f"{desired.row_id}@{desired.generation}")
                batch.failures[desired.row] = str(error)
                batch.retry.update(entry.id for entry in entries)
                self._complain(batch, desired, str(error))

    def _complain(self, batch: Batch, desired: Desired, error: str) -> None:
        """Let the row's status say why it waits; a deletion's is told by its being pending."""
        row, moment = desired.row, time.monotonic()
        since, told = self._troubles.get(row, (moment, None))
        if moment - since >= TROUBLE_SECONDS and (told is None or moment - told >= TROUBLE_AGAIN_SECONDS):
            told = moment
            if not desired.deleted:
                self._reporting.status(batch, desired, RETRYING, error=error)
        self._troubles[row] = (since, told)

    def _failed(self, kind: str, error: str) -> None:
        self._metrics.error(kind)
        self._facts.failed(kind, error)

    def _remember(self, batch: Batch) -> None:
        """What must come again and why, and what need not."""
        causes = {row: batch.reason for row, entries in batch.rows.items() if batch.retry & {e.id for e in entries}}
        if len(batch.retry) > sum(len(batch.rows[row]) for row in causes):
            causes[NO_ROW] = batch.reason
        for row, cause in causes.items():
            self._facts.retried((row,), batch.failures.get(row, cause))
        self._facts.settled(row for row in (*batch.rows, NO_ROW) if row not in causes)


def _delivered(wanted: Desired, result: Result) -> Desired:
    return (result.instead if isinstance(result, Delivered) else None) or wanted
