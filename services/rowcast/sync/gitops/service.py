"""The engine with both things that are done about it, from one access to its API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, wait_random_exponential

from rowcast.core.errors import TransientError
from rowcast.core.gitops import Committing
from rowcast.runtime.logging import get_logger
from rowcast.sync.gitops.metrics import GitOpsMetrics
from rowcast.sync.gitops.observer import Channel, Observer
from rowcast.sync.settings import SyncSettings
from rowcast.sync.status.report import Publisher

if TYPE_CHECKING:
    from rowcast.sync.gitops.engine import Engine


RESTART_SECONDS = 5.0


class GitOps:
    """Delivers nothing: while it is away, commits are made all the same, and rows stay `committed`."""

    def __init__(
        self, settings: SyncSettings, commits: Committing, publisher: Publisher, metrics: GitOpsMetrics
    ) -> None:
        self._settings = settings
        self._commits = commits
        self._publisher = publisher
        self._metrics = metrics
        self._pushed = asyncio.Event()
        self._delivered = asyncio.Event()
        self._log = get_logger("rowcast.gitops")

    def pushed(self, _commit: str) -> None:
        """A push has landed; returns at once."""
        self._pushed.set()

    def delivered(self) -> None:
        """Something was delivered, if only again; returns at once."""
        self._delivered.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._run()
            except Exception:
                # A bug of ours: told, and begun again; commits are made meanwhile.
                self._log.exception("following the engine failed")
                await asyncio.sleep(RESTART_SECONDS)

    async def _run(self) -> None:
        # Imported here, as targets are: where there is no engine, the client of its API server is not loaded.
        from rowcast.sync.gitops.engine import Engine as Connection
        from rowcast.sync.gitops.refresher import Refresher

        settings = self._settings
        engine = await self._connected(Connection)
        channel = Channel(self._publisher, settings.status_topic, settings.target)
        observer = Observer(engine, self._commits, channel, self._delivered, self._metrics)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Refresher(engine, self._pushed, self._metrics).run())
                group.create_task(observer.run())
        finally:
            await engine.close()

    async def _connected(self, engine: type[Engine]) -> Engine:
        settings = self._settings
        async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.2, max=10)):
            with attempt:
                try:
                    return await engine.connect(
                        settings.gitops_engine, settings.gitops_application, settings.kubeconfig, settings.kube_context
                    )
                except TransientError as error:
                    self._log.warning("no access to the engine, trying again", error=str(error))
                    raise
        raise AssertionError("unreachable: it is tried until it succeeds")
