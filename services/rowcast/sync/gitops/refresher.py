"""Asks the engine to look after each push, so that nobody waits for its poll."""

from __future__ import annotations

import asyncio

from tenacity import AsyncRetrying, wait_random_exponential

from rowcast.core.errors import RowcastError
from rowcast.runtime.logging import get_logger
from rowcast.sync.gitops.engine import Engine
from rowcast.sync.gitops.metrics import GitOpsMetrics


class Refresher:
    """One request at a time; pushes that come meanwhile are one more request. Delivery never waits for it."""

    def __init__(self, engine: Engine, pushed: asyncio.Event, metrics: GitOpsMetrics) -> None:
        self._engine = engine
        self._pushed = pushed
        self._metrics = metrics
        self._log = get_logger("rowcast.gitops")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._pushed.wait()
            async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.2, max=30)):
                with attempt:
                    self._pushed.clear()
                    await self._refresh()

    async def _refresh(self) -> None:
        try:
            await self._engine.refresh()
        except RowcastError as error:
            self._metrics.refreshed("failed")
            self._log.warning("asking for a refresh failed, trying again", engine=self._engine.name, error=str(error))
            raise
        self._metrics.refreshed("asked")
