"""What became of a batch, as others hear of it: a status for each row, a dead letter for what never gets through."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

import orjson

from rowcast.core import messages
from rowcast.core.errors import PermanentError, TooLargeError, TransientError
from rowcast.core.events import Op, encode
from rowcast.core.messages import ERROR_BYTES, SHORT_BYTES, Status, clip, wire_bytes
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Result
from rowcast.core.render import Desired
from rowcast.core.row import identity
from rowcast.runtime.logging import get_logger
from rowcast.sync.clock import now
from rowcast.sync.intake.batch import Batch, Entry

ROWS_IN_A_LOG_LINE = 20
LETTER_BYTES = 256 * 1024
"""Of a larger event a dead letter has only the beginning: brokers refuse messages of a megabyte."""
LETTERS_AT_ONCE = 20
POSITIONS = 32
POSITION_BYTES = 1024
"""A record's key and headers are among what is told of its position, and may be anything."""


class Publisher(Protocol):
    """Publishes to a topic. Raises TransientError when the broker does not take it, TooLargeError if for its size."""

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """Publish one message."""
        ...


@dataclass(frozen=True, slots=True)
class Topics:
    """Where the reports go."""

    status: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class StatusTopic:
    """Where what becomes of a target's rows is published, in messages that a broker takes."""

    target: str
    publisher: Publisher
    topic: str

    async def publish(self, statuses: Iterable[Status]) -> tuple[list[Status], str]:
        """Publish statuses; returns those that the broker did not take, and the last reason why."""
        left: list[Status] = []
        reason = ""
        for message in messages.status_messages(self.target, statuses):
            try:
                await self._publish(message["statuses"])
            except TransientError as error:
                left += message["statuses"]
                reason = str(error)
        return left, reason

    async def _publish(self, statuses: list[Status]) -> None:
        """By halves where the broker takes less than we thought: what it refused for its size it would refuse again."""
        try:
            await self.publisher.publish(self.topic, messages.status_message(self.target, statuses))
        except TooLargeError:
            if len(statuses) > 1:
                half = len(statuses) // 2
                await self._publish(statuses[:half])
                await self._publish(statuses[half:])
                return
            short = messages.shortened(statuses[0])
            if short == statuses[0]:
                raise
            await self._publish([short])


@dataclass(frozen=True, slots=True)
class DeadLetterTopic:
    """Where what a target never takes is kept, with the event that is replayed once it would."""

    target: str
    publisher: Publisher
    topic: str

    def row_letter(self, desired: Desired, error: PermanentError) -> dict[str, Any]:
        """A message for `publish` of a row that has no event at hand: the letter has one that says what the row says.

        It may come at every reconcile, and after the row's own event has been kept: crud keeps one of a generation.
        """
        if desired.change is None:
            raise ValueError(f"{desired.row}: not made from a row")
        # No snapshot's event: a replay of that would start a reconcile.
        change = replace(desired.change, op=Op.DELETE if desired.deleted else Op.UPDATE, lsn=desired.lsn)
        same = f"{self.target} {desired.row} {desired.generation} {desired.deleted}"
        message_id = hashlib.sha256(same.encode()).hexdigest()[:32]
        return {**self.letter(encode(change), {}, error, desired), "once": True, "message_id": message_id}

    def letter(
        self, event: object, position: Mapping[str, object], error: PermanentError, desired: Desired | None
    ) -> dict[str, Any]:
        """A message for `publish`; without a row for an event that can't be read."""
        return {
            **identity(desired.row if desired else None),
            "name": desired.name if desired else None,
            "generation": desired.generation if desired else None,
            "target": self.target,
            "reason": error.reason,
            "error": clip(str(error), ERROR_BYTES),
            "position": _position(position),
            "event": _kept(event, position),
            "dead_lettered_at": now(),
            "message_id": uuid4().hex,
        }

    async def publish(self, letter: Mapping[str, Any]) -> None:
        """Publish one letter. Raises TransientError when the broker doesn't take it."""
        try:
            await self.publisher.publish(self.topic, letter)
        except TooLargeError:
            short = {
                **letter,
                "error": clip(letter["error"], SHORT_BYTES),
                "position": {key: clip(value, SHORT_BYTES) for key, value in letter["position"].items()},
                "event": f"(larger than the broker takes{_at(letter['position'])})",
            }
            await self.publisher.publish(self.topic, short)


class Reporting:
    """Collects a batch's messages in the batch, and publishes them when all is done."""

    def __init__(self, target: str, publisher: Publisher, topics: Topics) -> None:
        self._letters = DeadLetterTopic(target, publisher, topics.dead_letters)
        self._statuses = StatusTopic(target, publisher, topics.status)
        self._log = get_logger("rowcast.delivery")

    def status(self, batch: Batch, desired: Desired, result: Result, outcome: str | None = None) -> None:
        """Tell what became of a row; of a failure, `outcome` says what that means."""
        made = messages.status(desired, result, now(), captured_at=batch.captured_at, outcome=outcome)
        if batch.spans:
            reference = result.reference if isinstance(result, Delivered) else None
            made["traceparent"] = batch.spans.settled(desired, made["outcome"], reference, made["error"])
        batch.statuses.append(made)

    def dead_letter(
        self, batch: Batch, entries: Sequence[Entry], error: PermanentError, desired: Desired | None = None
    ) -> None:
        """Keep the last of `entries`, which are of one row, or else one alone that can't be read."""
        entry = entries[-1]
        batch.dead.append((entries, self._letters.letter(entry.event, entry.position, error, desired)))

    async def publish(self, batch: Batch) -> None:
        """Dead letters first: an entry counts as done only when its dead letter is kept.

        The entries of what isn't taken are among those to `retry`.
        """
        await self._publish_dead_letters(batch)
        await self._publish_statuses(batch)
        self._log_lines(batch)

    async def _publish_dead_letters(self, batch: Batch) -> None:
        turn = asyncio.Semaphore(LETTERS_AT_ONCE)

        async def one(entries: Sequence[Entry], letter: dict[str, Any]) -> None:
            try:
                async with turn:
                    await self._letters.publish(letter)
            except TransientError as error:
                self._log.warning("dead letter not published, trying again", error=str(error))
                batch.reason = str(error)
                batch.retry.update(entry.id for entry in entries)
                return
            batch.outcomes[letter["renderer"] or "", Outcome.DEAD_LETTERED] += len(entries)
            self._log.error("dead-lettered", reason=letter["reason"], error=letter["error"], row=_in_words(letter))

        await asyncio.gather(*(one(entries, letter) for entries, letter in batch.dead))

    async def _publish_statuses(self, batch: Batch) -> None:
        left, reason = await self._statuses.publish(batch.statuses)
        if not left:
            return
        # Delivered but not told: coming again it is `unchanged`, and told then.
        self._log.warning("status not published, trying again", error=reason, count=len(left))
        batch.reason = reason
        rows = {messages.row_of(one) for one in left}
        batch.retry.update(e.id for row, entries in batch.rows.items() if row in rows for e in entries)

    def _log_lines(self, batch: Batch) -> None:
        for cause, rows in batch.trouble.items():
            # One line for a cause, not for a row: a target that is down would flood the log.
            self._log.warning("will be delivered again", error=cause, count=len(rows), rows=rows[:ROWS_IN_A_LOG_LINE])
        outcomes = Counter[str]()
        for (_, outcome), count in batch.outcomes.items():
            outcomes[str(outcome)] += count
        self._log.info(
            "batch",
            events=len(batch.entries),
            retry=len(batch.retry),
            outcomes={outcome: count for outcome, count in outcomes.items() if count},
            rows=[_line(one) for one in batch.statuses[:ROWS_IN_A_LOG_LINE]],
        )


def _kept(event: object, position: Mapping[str, object]) -> object:
    """An event as far as a dead letter can have it."""
    text = event if isinstance(event, str) else _text(event)
    # As JSON in JSON it takes up to six times the room.
    if wire_bytes(text) <= LETTER_BYTES and _is_plain(event):
        return event
    text = clip(text, len(text) * 6)
    if wire_bytes(text) <= LETTER_BYTES:
        return text
    return f"{text[: LETTER_BYTES // 12]}… ({len(text)} characters{_at(position)})"


def _at(position: Mapping[str, object]) -> str:
    """Not every broker says where an event stood."""
    return "; the whole of it is at the position told here" if position else ""


def _is_plain(event: object) -> bool:
    """Whether it can be written as JSON that others can read: not if nested too deeply, or with half of a character."""
    try:
        orjson.dumps(event)
    except TypeError:
        return False
    return True


def _text(event: object) -> str:
    """An event's JSON, or the beginning of what can't be written to its end."""
    with suppress(TypeError):
        return orjson.dumps(event).decode()
    parts: list[str] = []
    with suppress(TypeError, ValueError, RecursionError):
        for part in json.JSONEncoder(default=repr).iterencode(event):
            parts.append(part)
            if len(parts) > LETTER_BYTES:
                break
    return "".join(parts)


def _position(position: Mapping[str, object]) -> dict[str, str]:
    some = [(str(key), str(value)) for key, value in position.items()][:POSITIONS]
    return {clip(key, POSITION_BYTES): clip(value, POSITION_BYTES) for key, value in some}


def _line(status: Status) -> str:
    return f"{messages.row_of(status)}@{status['generation']} {status['outcome']}"


def _in_words(letter: Mapping[str, Any]) -> str | None:
    return None if letter["key"] is None else str(messages.row_of(letter))
