"""Events go to the broker: those of one row in their order, those of others beside them, each until it is taken."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from rowcast.capture.events import Event, letters
from rowcast.core.errors import TooLargeError, TransientError
from rowcast.runtime.logging import get_logger

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0
PATIENCE = timedelta(seconds=1)
"""How long an event may be on its way before it counts as waiting."""


class Sender(Protocol):
    """The way to the broker. Both raise TransientError when it doesn't take it, TooLargeError for its size."""

    @property
    def most(self) -> int:
        """How many events it takes at once."""
        ...

    async def send(self, events: Sequence[Event]) -> None:
        """Return once the broker has all of them, which are of one topic. After an error it may have some."""
        ...

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """Return once the broker has the message, which the sidecar wraps."""
        ...


@dataclass(slots=True)
class UnderWay:
    """An event that the broker hasn't taken yet, and what it said, if anything."""

    since: datetime
    error: str | None = None


@dataclass(slots=True)
class Progress:
    """What has been published so far, and what waits; for facts and metrics."""

    published: int = 0
    dead_lettered: int = 0
    refused: int = 0
    last_published_at: datetime | None = None
    under_way: dict[int, UnderWay] = field(default_factory=dict)

    def waiting(self, now: datetime) -> UnderWay | None:
        """The event that waits longest: one that was refused, or that takes longer than PATIENCE."""
        some = [one for one in self.under_way.values() if one.error is not None or now - one.since > PATIENCE]
        return min(some, key=lambda one: one.since, default=None)


class Publisher:
    """Publishes batches, one after the other.

    Rows are shared out over `lanes` by their key. A lane sends its next event when the broker has taken the last one,
    so the events of a row arrive in their order, and a batch is done when all of it has arrived.
    """

    def __init__(
        self,
        sender: Sender,
        lanes: int,
        targets: Iterable[str],
        dead_letters: str,
        *,
        recover: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`recover` makes the broker ready, or raises TransientError. Once anything was refused nothing is sent before
        that: the broker may have lost what it had, and nobody hears of what it takes before its readers are there.
        """
        self.progress = Progress()
        self._recover = recover
        self._recovered = 0
        """After how many refusals the broker was last found ready."""
        self._sender = sender
        self._lanes = lanes
        self._targets = tuple(targets)
        self._dead_letters = dead_letters
        self._clock = clock
        self._sleep = sleep
        self._log = get_logger("rowcast.capture.publisher")

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when the broker has all of them, however long that takes; cancelled, some may be there already."""
        lanes: dict[int, list[Event]] = {}
        for event in events:
            lanes.setdefault(zlib.crc32(event.key.encode()) % self._lanes, []).append(event)
        try:
            async with asyncio.TaskGroup() as group:
                for lane, some in lanes.items():
                    group.create_task(self._lane(lane, some))
        finally:
            self.progress.under_way.clear()

    async def _lane(self, lane: int, events: Sequence[Event]) -> None:
        start = 0
        while start < len(events):
            some = self._together(events, start)
            under_way = self.progress.under_way[lane] = UnderWay(self._clock())
            await self._deliver(some, under_way)
            del self.progress.under_way[lane]
            start += len(some)

    def _together(self, events: Sequence[Event], start: int) -> Sequence[Event]:
        end = start + 1
        while end < len(events) and end - start < self._sender.most and events[end].topic == events[start].topic:
            end += 1
        return events[start:end]

    async def _deliver(self, events: Sequence[Event], under_way: UnderWay) -> None:
        """Until the broker has them, or says of one that it never will take it."""
        pause = FIRST_SECONDS
        while True:
            try:
                await self._until_ready()
                await self._sender.send(events)
            except TooLargeError as error:
                if len(events) == 1:
                    await self._bury(events[0], under_way, error)
                    return
                for event in events:
                    await self._deliver([event], under_way)
                return
            except TransientError as error:
                await self._wait(events[0].id, under_way, error, pause)
                pause = min(pause * 2, LONGEST_SECONDS)
            else:
                self.progress.published += len(events)
                self.progress.last_published_at = self._clock()
                return

    async def _bury(self, event: Event, under_way: UnderWay, error: TooLargeError) -> None:
        """Instead of the event its dead letters, one for each target; the next events of the row come after them."""
        for letter in letters(event, self._targets, str(error), self._clock().isoformat(timespec="milliseconds")):
            pause = FIRST_SECONDS
            while True:
                try:
                    await self._until_ready()
                    await self._sender.publish(self._dead_letters, letter)
                except TransientError as refused:
                    await self._wait(event.id, under_way, refused, pause)
                    pause = min(pause * 2, LONGEST_SECONDS)
                else:
                    break
        self.progress.dead_lettered += 1
        self._log.error("dead-lettered: larger than the broker takes", id=event.id, bytes=len(event.body))

    async def _wait(self, event_id: str, under_way: UnderWay, error: TransientError, pause: float) -> None:
        if under_way.error is None:
            self._log.warning("not taken, trying again", id=event_id, error=str(error))
        under_way.error = str(error)
        self.progress.refused += 1
        await self._sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret: lanes shouldn't knock all at once

    async def _until_ready(self) -> None:
        """For each lane, whichever was refused. Raises TransientError."""
        while self._recover is not None and self._recovered != self.progress.refused:
            refused = self.progress.refused
            await self._recover()
            self._recovered = max(self._recovered, refused)
