"""From a batch of events to acknowledgements: decode, render, deliver, report. No word of HTTP or of a broker here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import Change, Op, decode
from rowcast.core.outcomes import RETRYING, Outcome
from rowcast.core.plan import latest
from rowcast.core.ports import Delivered, Failed, Result, RowKey, Target
from rowcast.core.render import Desired, render
from rowcast.runtime.logging import get_logger
from rowcast.runtime.tracing import Tracing
from rowcast.sync.facts import NO_ROW, Facts
from rowcast.sync.hindsight import Hindsight
from rowcast.sync.metrics import SyncMetrics
from rowcast.sync.spans import BatchSpans

ROWS_IN_A_LOG_LINE = 20
TROUBLE_SECONDS = 2.0
"""How long a row fails before its status says why: a lost race is no news."""
TROUBLE_AGAIN_SECONDS = 60.0
LETTER_BYTES = 256 * 1024
"""Of a larger event a dead letter has only the beginning: brokers refuse messages of a megabyte."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it came: the broker's handle for it, its parsed JSON, and where it stood."""

    id: str
    event: object
    position: Mapping[str, str] = field(default_factory=dict)


class Publisher(Protocol):
    """Publishes to a topic. Raises TransientError when the broker does not take it."""

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """Publish one message."""
        ...


@dataclass(frozen=True, slots=True)
class Topics:
    """Where the reports go."""

    status: str
    dead_letters: str


@dataclass(slots=True)
class _Batch:
    """A batch on its way: what it decoded to, and which entries must come again."""

    entries: Sequence[Entry]
    captured_at: str
    rows: dict[RowKey, list[Entry]] = field(default_factory=dict)
    retry: set[str] = field(default_factory=set)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    dead: list[tuple[Sequence[Entry], dict[str, Any]]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    trouble: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[RowKey, str] = field(default_factory=dict)
    reason: str = ""
    spans: BatchSpans | None = None


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
        self._publisher = publisher
        self._topics = topics
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
        batch = _Batch(entries, _now())
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
        await self._report(batch)
        self._metrics.batch(time.perf_counter() - started, len(entries))
        self._remember(batch)
        for outcome, count in batch.outcomes.items():
            self._metrics.outcome(outcome, count)
        return batch.retry

    def _desire(self, batch: _Batch) -> list[Desired]:
        changes: list[Change] = []
        for entry in batch.entries:
            try:
                change = decode(entry.event)
            except PermanentError as error:
                batch.dead.append(((entry,), self._dead_letter(entry, error, None)))
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
        return [(wanted, results[wanted.table, wanted.row_id]) for wanted in desired]

    def _settle(self, batch: _Batch, desired: Desired, result: Result) -> None:
        entries = batch.rows[desired.table, desired.row_id]
        if isinstance(result, Delivered) or isinstance(result.error, PermanentError):
            self._troubles.pop((desired.table, desired.row_id), None)
        match result:
            case Delivered(outcome, reference):
                batch.outcomes[outcome] += 1
                # The row's earlier events in this batch were overtaken before they could be delivered.
                batch.outcomes[Outcome.STALE] += len(entries) - 1
                batch.statuses.append(self._status(batch, desired, outcome, reference=reference))
                self._metrics.delivered(desired, outcome)
            case Failed(PermanentError() as error):
                self._failed("permanent", str(error))
                batch.dead.append((entries, self._dead_letter(entries[-1], error, desired)))
                batch.statuses.append(self._status(batch, desired, Outcome.DEAD_LETTERED, error=str(error)))
            case Failed(error):
                self._failed("transient", str(error))
                batch.trouble.setdefault(str(error), []).append(f"{desired.row_id}@{desired.generation}")
                batch.failures[desired.table, desired.row_id] = str(error)
                batch.retry.update(entry.id for entry in entries)
                self._complain(batch, desired, str(error))

    def _complain(self, batch: _Batch, desired: Desired, error: str) -> None:
        """Let the row's status say why it waits; a deletion's is told by its being pending."""
        row, now = (desired.table, desired.row_id), time.monotonic()
        since, told = self._troubles.get(row, (now, None))
        if now - since >= TROUBLE_SECONDS and (told is None or now - told >= TROUBLE_AGAIN_SECONDS):
            told = now
            if not desired.deleted:
                batch.statuses.append(self._status(batch, desired, RETRYING, error=error))
        self._troubles[row] = (since, told)

    async def _report(self, batch: _Batch) -> None:
        """Dead letters first: an entry counts as done only when its dead letter is kept."""
        for entries, letter in batch.dead:
            try:
                await self._publisher.publish(self._topics.dead_letters, letter)
            except TransientError as error:
                self._log.warning("dead letter not published, trying again", error=str(error))
                batch.reason = str(error)
                batch.retry.update(entry.id for entry in entries)
                continue
            batch.outcomes[Outcome.DEAD_LETTERED] += len(entries)
            self._log.error("dead-lettered", reason=letter["reason"], error=letter["error"], row_id=letter["row_id"])
        if batch.statuses:
            try:
                message = {"target": self._target.name, "statuses": batch.statuses}
                await self._publisher.publish(self._topics.status, message)
            except TransientError as error:
                # Delivered but not told: coming again it is `unchanged`, and told then.
                self._log.warning("status not published, trying again", error=str(error))
                batch.reason = str(error)
                batch.retry.update(entry.id for entries in batch.rows.values() for entry in entries)
        for cause, rows in batch.trouble.items():
            # One line for a cause, not for a row: a target that is down would flood the log.
            self._log.warning("will be delivered again", error=cause, count=len(rows), rows=rows[:ROWS_IN_A_LOG_LINE])
        self._log.info(
            "batch",
            events=len(batch.entries),
            retry=len(batch.retry),
            outcomes={str(outcome): count for outcome, count in batch.outcomes.items() if count},
            rows=[f"{s['row_id']}@{s['generation']} {s['outcome']}" for s in batch.statuses[:ROWS_IN_A_LOG_LINE]],
        )

    def _failed(self, kind: str, error: str) -> None:
        self._metrics.error(kind)
        self._facts.failed(kind, error)

    def _remember(self, batch: _Batch) -> None:
        """What must come again and why, and what need not."""
        causes = {row: batch.reason for row, entries in batch.rows.items() if batch.retry & {e.id for e in entries}}
        if len(batch.retry) > sum(len(batch.rows[row]) for row in causes):
            causes[NO_ROW] = batch.reason
        for row, cause in causes.items():
            self._facts.retried((row,), batch.failures.get(row, cause))
        self._facts.settled(row for row in (*batch.rows, NO_ROW) if row not in causes)

    def _status(
        self,
        batch: _Batch,
        desired: Desired,
        outcome: str,
        reference: str | None = None,
        error: str | None = None,
    ) -> dict[str, Any]:
        status = {
            **_row(desired),
            "outcome": str(outcome),
            "deleted": desired.deleted,
            "reference": reference,
            "error": error,
            "saved_at": desired.saved_at,
            "captured_at": batch.captured_at,
            "delivered_at": _now(),
        }
        if batch.spans:
            status["traceparent"] = batch.spans.settled(desired, str(outcome), reference, error)
        return status

    def _dead_letter(self, entry: Entry, error: PermanentError, desired: Desired | None) -> dict[str, Any]:
        row = _row(desired) if desired else {"row_id": None, "name": None, "generation": None}
        return {
            **row,
            "target": self._target.name,
            "reason": error.reason,
            "error": str(error),
            "position": dict(entry.position),
            "event": _kept(entry.event),
            "dead_lettered_at": _now(),
        }


def _kept(event: object) -> object:
    """An event as far as a dead letter can have it."""
    text = event if isinstance(event, str) else orjson.dumps(event).decode()
    # As JSON in JSON it takes up to six times the room.
    if len(text) * 6 <= LETTER_BYTES or len(orjson.dumps(text)) <= LETTER_BYTES:
        return event
    return f"{text[: LETTER_BYTES // 6]}… ({len(text)} characters; the whole of it is at the position told here)"


def _row(desired: Desired) -> dict[str, Any]:
    return {"row_id": desired.row_id, "name": desired.name, "generation": desired.generation}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
