"""Publishes how far rows have come since their delivery: only what crud has not, and until crud has it.

A stage is of a generation: it waits until crud has the delivery of that one, and is dropped when crud has a later one,
whose delivery has told its own. So nothing depends on the order of messages, and a lost one is told again. (Of a row
that stays behind, what is in the table is delivered anew, with its stage: `reconcile/schedule.py`.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from rowcast.core import messages
from rowcast.core.errors import TransientError
from rowcast.core.messages import Status
from rowcast.core.moves import THERE, Reported, Whereabouts
from rowcast.core.outcomes import STAGED
from rowcast.core.ports import News, NewsListener
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.clock import now
from rowcast.sync.status.report import ROWS_IN_A_LOG_LINE, StatusTopic

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 60.0
LOOKS = 12
"""How often crud is asked at most, over six minutes: a delivery that failed halfway has no status."""
AT_ONCE = 200
"""Rows that crud is asked about in one go."""

Whereabout = Callable[[Collection[RowKey]], Awaitable[Mapping[RowKey, Whereabouts]]]
"""What crud has of those of these rows that there are. Raises TransientError."""


@dataclass(slots=True)
class _Waiting:
    news: News
    due: float
    pause: float = FIRST_SECONDS
    looks: int = 0


class Stages:
    """What is still to be told: of each row and generation the newest. A target tells all of its rows at its start."""

    def __init__(
        self,
        topic: StatusTopic,
        whereabouts: Whereabout,
        others: NewsListener,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`others` is told of the news that are not of a stage."""
        self._topic = topic
        self._whereabouts = whereabouts
        self._others = others
        self._clock = clock
        self._waiting: dict[tuple[RowKey, int], _Waiting] = {}
        self._news = asyncio.Event()
        self._log = get_logger("rowcast.delivery")

    def notice(self, news: Sequence[News]) -> None:
        """Take news in; returns at once."""
        others = [one for one in news if one.result.staged_at is None]
        if others:
            self._others(others)
        for one in news:
            if one.result.staged_at is not None:
                self._waiting[one.row, one.generation] = _Waiting(one, self._clock())
                self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._until_due()
            try:
                # At the start there are as many as rows: who is next due is asked once all have had their turn.
                while await self.look() == AT_ONCE:
                    pass
            except Exception:
                self._log.exception("stages of rows not told, trying again")

    async def _until_due(self) -> None:
        self._news.clear()
        due = min((one.due for one in self._waiting.values()), default=None)
        try:
            async with asyncio.timeout(None if due is None else max(due - self._clock(), 0)):
                await self._news.wait()
        except TimeoutError:
            pass

    async def look(self) -> int:
        """Tell those that are due and that crud has not; those that it has are done. How many were due, of AT_ONCE."""
        moment = self._clock()
        due = list(islice((one for one in self._waiting.values() if one.due <= moment), AT_ONCE))
        for one in due:
            one.due, one.pause = moment + one.pause, min(2 * one.pause, LONGEST_SECONDS)
            # To the end: whoever has not had a turn is found without a look at all others.
            key = (one.news.row, one.news.generation)
            self._waiting[key] = self._waiting.pop(key)
        if not due:
            return 0
        try:
            found = await self._whereabouts({one.news.row for one in due})
            told = [status for one in due if (status := self._judged(one, found.get(one.news.row))) is not None]
            left, reason = await self._topic.publish(told)
        except TransientError as error:
            left, reason = [], str(error)
        if reason:
            for one in due:
                one.looks = 0
                self._waiting.setdefault((one.news.row, one.news.generation), one)
            self._log.warning("stages of rows not told yet", error=reason, count=len(left) or len(due))
        elif told:
            self._log.info("stages", count=len(told), rows=[_line(one) for one in told[:ROWS_IN_A_LOG_LINE]])
        return len(due)

    def _judged(self, one: _Waiting, there: Whereabouts | None) -> Status | None:
        """What to tell of a row now; what is over is forgotten, unless it was replaced meanwhile."""
        row, generation = one.news.row, one.news.generation
        known = None if there is None else there.at.get(self._topic.target)
        on_its_way = there is not None and (known is None or known.generation < generation)
        over = not on_its_way and (known is None or _is_over(one.news, known))
        one.looks += 1
        if (over or one.looks >= LOOKS) and self._waiting.get((row, generation)) is one:
            del self._waiting[row, generation]
        if over or on_its_way or known is None:
            return None
        return {**messages.status(one.news, one.news.result, now(), outcome=STAGED), "generation": known.generation}


def _is_over(news: News, known: Reported) -> bool:
    if known.deleted or known.outcome not in THERE or (known.generation > news.generation and not news.once):
        return True
    return (known.stage, known.stage_error) == (news.result.stage, news.result.stage_error)


def _line(status: Status) -> str:
    reason = f": {status['stage_error']}" if status["stage_error"] else ""
    return f"{messages.row_of(status)}@{status['generation']} {status['stage']}{reason}"
