"""From a batch of events to acknowledgements: decode, render, deliver, report. No word of HTTP or of a broker here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import Change, Op, decode
from rowcast.core.outcomes import RETRYING, Outcome
from rowcast.core.plan import latest
from rowcast.core.ports import Delivered, Failed, Result, Target, is_claimed, made_of
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.runtime.tracing import Tracing
from rowcast.sync.clock import now
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.intake.batch import Batch, Entry
from rowcast.sync.intake.retries import CLAIMED, Retries
from rowcast.sync.intake.spans import BatchSpans
from rowcast.sync.monitoring.facts import NO_ROW, Facts
from rowcast.sync.monitoring.metrics import SyncMetrics
from rowcast.sync.rendering import Rendering
from rowcast.sync.status.report import Publisher, Reporting, Topics

TROUBLE_SECONDS = 2.0
"""How long a row fails before its status says why: a lost race is no news."""
TROUBLE_AGAIN_SECONDS = 60.0
INTERNAL_ERROR = "internal-error"
"""Why an event is a dead letter that neither can be read nor says what is wrong with it: a fault of ours."""


class Delivery:
    """Delivers batches to one target and reports what became of each row.

    A row that fails for a reason that passes waits in `retries`, and its event counts as done. Only what fails as a
    whole, since the target can't be asked at all, is left with the broker.
    """

    def __init__(
        self,
        target: Target,
        publisher: Publisher,
        topics: Topics,
        metrics: SyncMetrics,
        retries: Retries,
        facts: Facts | None = None,
        tracing: Tracing | None = None,
        on_snapshot: Callable[[], None] = lambda: None,
        hindsight: Hindsight | None = None,
        on_replayed: Callable[[Sequence[int]], None] = lambda _: None,
        rendering: Rendering | None = None,
        step: str = "deliver",
    ) -> None:
        """`on_snapshot` is called when events of a snapshot come, and once they are delivered; `on_replayed` is told of
        the dead letters whose replays need not come again. Both must return at once.

        `step` is what traces call what the target does.
        """
        self._target = target
        self._reporting = Reporting(target.name, publisher, topics)
        self._metrics = metrics
        self._retries = retries
        self._troubles: dict[RowKey, tuple[float, float | None]] = {}
        self._facts = Facts() if facts is None else facts
        self._tracing = tracing
        self._on_snapshot = on_snapshot
        self._hindsight = hindsight
        self._on_replayed = on_replayed
        self._rendering = Rendering() if rendering is None else rendering
        self._step = step
        self._log = get_logger("rowcast.delivery")

    async def deliver(self, entries: Sequence[Entry]) -> set[str]:
        """Deliver a batch, in the order of its entries; returns the ids of those that must come again.

        An entry that is not among them has been applied, or was not news, or waits to be tried again, or is in the
        dead-letter topic.
        """
        number = self._facts.began(len(entries))
        try:
            return await self._contained(entries, again=False)
        finally:
            self._facts.ended(number)

    async def run(self) -> None:
        """Try the rows that wait, until cancelled."""
        await self._retries.run(lambda entries: self._contained(entries, again=True))

    async def _contained(self, entries: Sequence[Entry], *, again: bool) -> set[str]:
        """What makes us fail is found by halves, so that it keeps none of its neighbours waiting."""
        try:
            return await self._deliver(entries, again)
        except Exception as error:
            if len(entries) > 1:
                half = len(entries) // 2
                first = await self._contained(entries[:half], again=again)
                return first | await self._contained(entries[half:], again=again)
            # A bug of ours: tried again as long as it takes, counted for the alert, never taken for success.
            self._failed("bug", repr(error))
            self._log.exception("delivery failed")
            return await self._set_aside(entries[0], error)

    async def _set_aside(self, entry: Entry, error: Exception) -> set[str]:
        """Let the row of an event that makes us fail wait; what has no row is a dead letter."""
        batch = Batch([entry], now())
        try:
            change = decode(entry.event, partly=self._hindsight is not None)
            desired = await self._rendering.one(change)
        except Exception:
            self._reporting.dead_letter(batch, (entry,), PermanentError(INTERNAL_ERROR, repr(error)))
            await self._reporting.publish(batch)
            self._answer_replays(batch)
            return batch.retry
        batch.rows[desired.row] = [entry]
        self._wait(batch, desired, repr(error))
        return batch.retry

    async def _deliver(self, entries: Sequence[Entry], again: bool) -> set[str]:
        started = time.perf_counter()
        batch = Batch(entries, now())
        if self._tracing is not None:
            batch.spans = BatchSpans(self._tracing, self._target.name, self._step, len(entries))
        desired = await self._desire(batch, again)
        if batch.spans:
            batch.spans.rendered()
        results = await self._attempt(batch, desired)
        if batch.spans:
            batch.spans.delivered()
        for wanted, result in results:
            self._settle(batch, wanted, result, again)
        await self._reporting.publish(batch)
        self._conclude(batch, desired, results, again)
        if not again:
            self._metrics.batch(time.perf_counter() - started, len(entries))
        self._remember(batch)
        self._answer_replays(batch)
        if batch.snapshot:
            self._on_snapshot()
        for (renderer, outcome), count in batch.outcomes.items():
            self._metrics.outcome(renderer, outcome, count)
        return batch.retry

    async def _desire(self, batch: Batch, again: bool) -> list[Desired]:
        arrived: list[tuple[Change, Entry]] = []
        for entry in batch.entries:
            try:
                change = decode(entry.event, partly=self._hindsight is not None)
            except PermanentError as error:
                self._reporting.dead_letter(batch, (entry,), error)
                continue
            if not again:
                self._take_note(batch, change, entry)
            if batch.spans:
                batch.spans.follow(change)
            if entry.replay_of is not None:
                batch.replays[entry.id] = change.row
            if change.is_of_a_row:
                arrived.append((change, entry))
        newest = latest(change for change, _ in arrived)
        for change, entry in sorted(arrived, key=lambda pair: pair[0].order):
            batch.rows.setdefault(change.row, []).append(entry)
        if not again:
            newest = {row: change for row, change in newest.items() if not self._joins(batch, row, change)}
        return [replace(one, again=again) for one in await self._rendering.desired(newest.values())]

    def _take_note(self, batch: Batch, change: Change, entry: Entry) -> None:
        if change.op is Op.READ:
            batch.snapshot = True
            self._on_snapshot()
        self._facts.received(change, entry.position)
        self._metrics.captured(change, batch.captured_at)

    def _joins(self, batch: Batch, row: RowKey, change: Change) -> bool:
        """Whether the row waits already: then its events join it there, and hold up nothing here."""
        waiting = self._retries.get(row)
        if waiting is None:
            return False
        entries = batch.rows.pop(row)
        batch.outcomes[row.renderer, Outcome.STALE] += len(entries)
        if change.order > waiting.order:
            batch.outcomes[row.renderer, Outcome.STALE] -= 1
            self._retries.renew(row, change.order, entries[-1])
        return True

    async def _attempt(self, batch: Batch, desired: Sequence[Desired]) -> list[tuple[Desired, Result]]:
        if not desired:
            return []
        try:
            results = await (self._hindsight or self._target).deliver(desired)
        except TransientError as error:
            batch.whole = True
            return [(wanted, Failed(error)) for wanted in desired]
        return [(made_of(wanted, results[wanted.row]), results[wanted.row]) for wanted in desired]

    def _settle(self, batch: Batch, desired: Desired, result: Result, again: bool) -> None:
        entries = batch.rows[desired.row]
        match result:
            case Delivered(outcome):
                batch.outcomes[desired.row.renderer, outcome] += 1
                # The row's earlier events in this batch were overtaken before they could be delivered.
                batch.outcomes[desired.row.renderer, Outcome.STALE] += len(entries) - 1
                self._reporting.status(batch, desired, result)
                self._metrics.delivered(desired, outcome)
            case Failed(PermanentError() as error):
                self._failed("permanent", str(error))
                self._reporting.dead_letter(batch, entries, error, desired)
                self._reporting.status(batch, desired, result, Outcome.DEAD_LETTERED)
            case Failed(error):
                self._failed("transient", str(error))
                batch.trouble.setdefault(str(error), []).append(f"{desired.row}@{desired.generation}")
                batch.failures[desired.row] = str(error)
                if batch.whole and not again:
                    # Nothing at all can be delivered: so the broker, which outlives us, may as well keep it.
                    batch.retry.update(entry.id for entry in entries)
                    self._complain(batch, desired, str(error))
                else:
                    self._wait(batch, desired, str(error), CLAIMED if is_claimed(result) else None)

    def _wait(self, batch: Batch, desired: Desired, error: str, cause: str | None = None) -> None:
        """Let a row wait, or leave it with the broker where there is no room."""
        entries = batch.rows[desired.row]
        if self._retries.hold(desired.row, _order(desired), entries[-1], error, cause) is None:
            batch.retry.update(entry.id for entry in entries)
        self._complain(batch, desired, error)

    def _complain(self, batch: Batch, desired: Desired, error: str) -> None:
        """Let the row's status say why it waits; a deletion's is told by its being pending."""
        row, moment = desired.row, time.monotonic()
        since, told = self._troubles.get(row, (moment, None))
        if moment - since >= TROUBLE_SECONDS and (told is None or moment - told >= TROUBLE_AGAIN_SECONDS):
            told = moment
            if not desired.deleted:
                self._reporting.status(batch, desired, Failed(TransientError(error)), RETRYING)
        self._troubles[row] = (since, told)

    def _conclude(
        self, batch: Batch, desired: Sequence[Desired], results: Sequence[tuple[Desired, Result]], again: bool
    ) -> None:
        """A row waits no more when it has arrived, or never will, and that is known to others."""
        for wanted, (_, result) in zip(desired, results, strict=True):
            entries = batch.rows[wanted.row]
            if not isinstance(result, Delivered) and not isinstance(result.error, PermanentError):
                continue
            self._troubles.pop(wanted.row, None)
            if not any(entry.id in batch.retry for entry in entries):
                self._retries.release(wanted.row, _order(wanted))
            elif again:
                self._retries.hold(wanted.row, _order(wanted), entries[-1], batch.reason)

    def _answer_replays(self, batch: Batch) -> None:
        """A replay whose row waits here has no answer yet: it is asked for again, should we end before the row does."""
        answered = [
            entry.replay_of
            for entry in batch.entries
            if entry.replay_of is not None
            and entry.id not in batch.retry
            and (entry.id not in batch.replays or self._retries.get(batch.replays[entry.id]) is None)
        ]
        if answered:
            self._on_replayed(answered)

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


def _order(desired: Desired) -> tuple[int, bool]:
    """As `Change.order`."""
    return (desired.generation, desired.deleted)
