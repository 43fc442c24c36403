"""A publisher for brokers that lose what they have taken: what is published counts when crud says that it has it.

RabbitMQ behind Dapr is one: the sidecar logs that a message was not confirmed, and answers that all is well.

- A dead letter is kept nowhere else. So its event is not acknowledged before crud has it.
- A status is the table's word on a row. Those that crud hasn't recorded after a while are published again; those that
  leave a row behind its generation are found by `reconcile/schedule.py` as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import orjson

from rowcast.core.errors import TransientError
from rowcast.core.messages import Status, row_of, status_message, status_messages
from rowcast.core.moves import Whereabouts
from rowcast.core.outcomes import RETRYING, STAGED, Outcome
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.status.report import Publisher, Topics

PATIENCE_SECONDS = 5.0
"""How long crud may take to have a dead letter, before its event is left with the broker."""
AGAIN_SECONDS = 1.5
"""How long until a dead letter is published again."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.5
STATUS_SECONDS = 5.0
"""How long crud may take to record a status, before it is published again."""
STATUS_TIMES = 3
"""How often a status is published: crud may have had a later word of another instance."""
WRITTEN = (Outcome.CREATED, Outcome.CONFIGURED)
UNCONFIRMED = 10_000
"""Dead letters whose ids are remembered until crud has them."""
PROPOSED = "proposed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What crud has received from this target. All raise TransientError.

    `arrived`: those of these dead letters' messages that have come; `whereabouts`: what the targets have told of those
    of these rows that there are. `missed` says that statuses have not come though they were published again.
    """

    arrived: Callable[[Collection[str]], Awaitable[Set[str]]]
    whereabouts: Callable[[Collection[RowKey]], Awaitable[Mapping[RowKey, Whereabouts]]]
    missed: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Told:
    status: Status
    due: float
    times: int = 1


class Confirming:
    """The `Publisher` port over another one."""

    def __init__(
        self,
        publisher: Publisher,
        topics: Topics,
        target: str,
        asked: Asked,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._topics = topics
        self._target = target
        self._asked = asked
        self._clock = clock
        self._ids: OrderedDict[bytes, str] = OrderedDict()
        self._statuses: dict[RowKey, _Told] = {}
        self._no_engine: _Told | None = None
        self._log = get_logger("rowcast.delivery")

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """As `Publisher.publish`; of a dead letter it returns once crud has it, and raises TransientError if not."""
        if topic == self._topics.dead_letters:
            await self._publish_letter(data, metadata)
            return
        await self._publisher.publish(topic, data, metadata)
        if topic == self._topics.status:
            self._note(data)

    async def run(self) -> None:
        """Publish again what crud has not recorded, until cancelled."""
        while True:
            await asyncio.sleep(random.uniform(0.9, 1.1) * STATUS_SECONDS / 2)  # noqa: S311 - not a secret
            try:
                await self.look()
            except TransientError as error:
                self._log.warning("not known whether statuses were recorded, trying again", error=str(error))
            except Exception:
                self._log.exception("not known whether statuses were recorded, trying again")

    async def look(self) -> None:
        """Publish again those statuses that are due and not recorded. Raises TransientError."""
        now = self._clock()
        due = {row: told for row, told in self._statuses.items() if told.due <= now}
        if due:
            there = await self._asked.whereabouts(due)
            due = {row: told for row, told in due.items() if self._statuses.get(row) is told}
            for row, told in due.items():
                if _is_recorded(told.status, self._target, there.get(row)):
                    del self._statuses[row]
            lost = {row: told for row, told in due.items() if row in self._statuses}
            if any(
                told.times > 1 and _is_behind(told.status, self._target, there.get(row)) for row, told in lost.items()
            ):
                await self._say_missed()
            for row, told in lost.items():
                if told.times >= STATUS_TIMES:
                    del self._statuses[row]
            await self._tell_again([told for told in lost.values() if told.times < STATUS_TIMES])
        if self._no_engine is not None and self._no_engine.due <= now:
            await self._publisher.publish(self._topics.status, self._no_engine.status)
            self._no_engine = None

    async def _say_missed(self) -> None:
        """One message may be lost: two are held back on their way to crud."""
        try:
            await self._asked.missed()
        except TransientError as error:
            self._log.warning("crud was not told that statuses do not come", error=str(error))

    async def _tell_again(self, lost: Sequence[_Told]) -> None:
        if not lost:
            return
        self._log.warning("statuses were not recorded, and are published again", count=len(lost))
        for message in status_messages(self._target, [told.status for told in lost]):
            await self._publisher.publish(self._topics.status, status_message(self._target, message["statuses"]))
        for told in lost:
            told.times, told.due = told.times + 1, self._clock() + STATUS_SECONDS * told.times

    def _note(self, data: Mapping[str, Any]) -> None:
        due = self._clock() + STATUS_SECONDS
        for status in data["statuses"]:
            if status["outcome"] == STAGED:
                continue  # whoever tells it looks itself whether crud has it
            # What is gone from the table is told by the table of deletions; the others say nothing of a row's state.
            if status["outcome"] in (Outcome.STALE, RETRYING) or status["deleted"]:
                self._statuses.pop(row_of(status), None)
            else:
                self._statuses[row_of(status)] = _Told(status, due)
        if data.get("progress") == "none":  # any other is told anew every minute
            self._no_engine = _Told(dict(data), due)

    async def _publish_letter(self, letter: dict[str, Any], metadata: dict[str, str] | None) -> None:
        # An event whose letter was not confirmed comes again: it is the same letter then, should both arrive.
        key = _digest(letter["event"])
        message_id = self._ids.setdefault(key, letter["message_id"])
        while len(self._ids) > UNCONFIRMED:
            self._ids.popitem(last=False)
        letter = {**letter, "message_id": message_id}
        await self._publisher.publish(self._topics.dead_letters, letter, metadata)
        end = self._clock() + PATIENCE_SECONDS
        again = self._clock() + AGAIN_SECONDS
        pause, reason = FIRST_PAUSE_SECONDS, "it has not come"
        while self._clock() < end:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                if message_id in await self._asked.arrived([message_id]):
                    self._ids.pop(key, None)
                    return
            except TransientError as error:
                reason = str(error)
                continue
            if self._clock() >= again:
                again = end
                self._log.warning("dead letter has not come to crud, and is published again", name=letter["name"])
                await self._publisher.publish(self._topics.dead_letters, letter, metadata)
        raise TransientError(f"crud does not say that it has the dead letter: {reason}")


def _is_recorded(status: Status, target: str, there: Whereabouts | None) -> bool:
    """Whether crud knows this or something later; of rows that are gone it need not."""
    if there is None:
        return True
    known = there.at.get(target)
    if known is None:
        return False
    if known.generation != status["generation"]:
        return known.generation > int(status["generation"])
    # A stage of crud's own may be what a GitOps engine has made of it.
    proposed = [stage == PROPOSED for stage in (known.stage, status["stage"])]
    # That a generation was written stays with crud when its event comes again, and finds it as it should be.
    same = known.outcome == status["outcome"] or (status["outcome"] == Outcome.UNCHANGED and known.outcome in WRITTEN)
    return known.deleted or bool(same and proposed[0] == proposed[1])


def _is_behind(status: Status, target: str, there: Whereabouts | None) -> bool:
    """Whether crud knows only of an earlier generation, so that no word of another instance stands in the way."""
    known = None if there is None else there.at.get(target)
    return known is None or known.generation < int(status["generation"])


def _digest(event: object) -> bytes:
    return hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).digest()
