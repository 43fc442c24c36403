"""What became of a batch, as others hear of it: a status for each row, a dead letter for what never gets through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.render import Desired
from rowcast.runtime.logging import get_logger
from rowcast.sync.batch import Batch, Entry
from rowcast.sync.moments import now

ROWS_IN_A_LOG_LINE = 20
LETTER_BYTES = 256 * 1024
"""Of a larger event a dead letter has only the beginning: brokers refuse messages of a megabyte."""


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


class Reporting:
    """Collects a batch's messages in the batch, and publishes them when all is done."""

    def __init__(self, target: str, publisher: Publisher, topics: Topics) -> None:
        self._target = target
        self._publisher = publisher
        self._topics = topics
        self._log = get_logger("rowcast.delivery")

    def status(
        self,
        batch: Batch,
        desired: Desired,
        outcome: str,
        reference: str | None = None,
        error: str | None = None,
        stage: str | None = None,
        link: str | None = None,
    ) -> None:
        """Tell what became of a row."""
        status = {
            **_row(desired),
            "outcome": str(outcome),
            "deleted": desired.deleted,
            "reference": reference,
            "error": error,
            "stage": stage,
            "link": link,
            "saved_at": desired.saved_at,
            "captured_at": batch.captured_at,
            "delivered_at": now(),
        }
        if batch.spans:
            status["traceparent"] = batch.spans.settled(desired, str(outcome), reference, error)
        batch.statuses.append(status)

    def dead_letter(
        self, batch: Batch, entries: Sequence[Entry], error: PermanentError, desired: Desired | None = None
    ) -> None:
        """Keep the last of `entries`, which are of one row, or else one alone that can't be read."""
        entry = entries[-1]
        row = _row(desired) if desired else {"row_id": None, "name": None, "generation": None}
        letter = {
            **row,
            "target": self._target,
            "reason": error.reason,
            "error": str(error),
            "position": dict(entry.position),
            "event": _kept(entry.event),
            "dead_lettered_at": now(),
        }
        batch.dead.append((entries, letter))

    async def publish(self, batch: Batch) -> None:
        """Dead letters first: an entry counts as done only when its dead letter is kept.

        The entries of what isn't taken are among those to `retry`.
        """
        await self._publish_dead_letters(batch)
        await self._publish_statuses(batch)
        self._log_lines(batch)

    async def _publish_dead_letters(self, batch: Batch) -> None:
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

    async def _publish_statuses(self, batch: Batch) -> None:
        if not batch.statuses:
            return
        try:
            message = {"target": self._target, "statuses": batch.statuses}
            await self._publisher.publish(self._topics.status, message)
        except TransientError as error:
            # Delivered but not told: coming again it is `unchanged`, and told then.
            self._log.warning("status not published, trying again", error=str(error))
            batch.reason = str(error)
            batch.retry.update(entry.id for entries in batch.rows.values() for entry in entries)

    def _log_lines(self, batch: Batch) -> None:
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


def _kept(event: object) -> object:
    """An event as far as a dead letter can have it."""
    text = event if isinstance(event, str) else orjson.dumps(event).decode()
    # As JSON in JSON it takes up to six times the room.
    if len(text) * 6 <= LETTER_BYTES or len(orjson.dumps(text)) <= LETTER_BYTES:
        return event
    return f"{text[: LETTER_BYTES // 6]}… ({len(text)} characters; the whole of it is at the position told here)"


def _row(desired: Desired) -> dict[str, Any]:
    return {"row_id": desired.row_id, "name": desired.name, "generation": desired.generation}
