"""Watches what the engine makes of the commits, and tells crud. Nothing is remembered: each message says all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tenacity import AsyncRetrying, wait_random_exponential

from rowcast.core.errors import RowcastError, TransientError
from rowcast.core.gitops import Committing, Seen, progress
from rowcast.core.messages import status_message
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.clock import now
from rowcast.sync.gitops.metrics import GitOpsMetrics
from rowcast.sync.status.report import Publisher

AGAIN_SECONDS = 60.0
"""How often it is told again, so that a message that was lost is made good."""
DELIVERED_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""An engine writes its status several times within one sync."""


class Watched(Protocol):
    """The engine."""

    name: str

    def watch(self) -> AsyncIterator[Seen]:
        """What it says, now and whenever it says something else. Ends, or raises RowcastError: begin again."""
        ...


@dataclass(frozen=True, slots=True)
class Channel:
    """Where progress is told."""

    publisher: Publisher
    topic: str
    target: str

    async def tell(self, told: Mapping[str, Any]) -> None:
        """Raises TransientError when the broker does not take it."""
        await self.publisher.publish(self.topic, status_message(self.target, [], told))


class Observer:
    """Tells of the newest that the engine said, and again whenever that changes what it means for rows."""

    def __init__(
        self, engine: Watched, commits: Committing, channel: Channel, delivered: asyncio.Event, metrics: GitOpsMetrics
    ) -> None:
        """`delivered` is set whenever something was."""
        self._engine = engine
        self._commits = commits
        self._channel = channel
        self._delivered = delivered
        self._metrics = metrics
        self._seen: Seen | None = None
        self._news = asyncio.Event()
        self._log = get_logger("rowcast.gitops")

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._follow_deliveries())
            group.create_task(self._tell())

    async def _watch(self) -> None:
        while True:
            async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.2, max=10)):
                with attempt:
                    await self._follow()

    async def _follow(self) -> None:
        try:
            async for seen in self._engine.watch():
                # What it says while it works tells nothing of rows, and would be told for a moment again and again.
                if seen != self._seen and not (seen.passing and self._seen):
                    self._seen = seen
                    self._news.set()
        except RowcastError as error:
            self._log.warning("the engine cannot be watched, trying again", engine=self._engine.name, error=str(error))
            raise

    async def _follow_deliveries(self) -> None:
        """What is delivered again, unchanged, counts as not seen by the engine until it is looked at again."""
        while True:
            await self._delivered.wait()
            await asyncio.sleep(DELIVERED_SECONDS)
            self._delivered.clear()
            self._news.set()

    async def _tell(self) -> None:
        while True:
            try:
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            if self._seen is not None and not await self._told(self._seen):
                await asyncio.sleep(1)
                self._news.set()

    async def _told(self, seen: Seen) -> bool:
        # Before the branch is looked at: whatever was delivered until now is in its tip.
        observed_at = now()
        try:
            names = seen.lagging | seen.errors.keys()
            behind = await self._commits.behind(seen.revision, names) if seen.revision else None
            overtaken = await self._overtaken(seen)
            told = progress(self._engine.name, seen, behind, observed_at, overtaken=overtaken)
            await self._channel.tell(told)
        except TransientError as error:
            self._log.warning("progress not told, trying again", engine=self._engine.name, error=str(error))
            return False
        self._metrics.pending(len(told["pending"]))
        self._log.debug("progress told", **told)
        return True

    async def _overtaken(self, seen: Seen) -> frozenset[RowKey]:
        """Rows that have changed since the commit that the engine's errors are about."""
        if not seen.errors or seen.attempted is None:
            return frozenset()
        since = await self._commits.behind(seen.attempted, ())
        return since.rows if since else frozenset()
