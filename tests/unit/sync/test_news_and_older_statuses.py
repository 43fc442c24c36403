"""What is told later, of each row the newest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.errors import TransientError
from rowcast.core.messages import Status
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News
from rowcast.core.row import app_config
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.status.news import Later
from rowcast.sync.status.report import Topics
from rowcast.sync.targets.memory import MemoryTarget
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio


class Broker:
    """Away for a while: each request hangs until it is refused."""

    def __init__(self) -> None:
        self.back = asyncio.Event()
        self.gives_up = asyncio.Event()
        self.asked = asyncio.Event()
        self.taken: list[Status] = []

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        if not self.back.is_set():
            self.asked.set()
            await self.gives_up.wait()
            raise TransientError("the broker is away")
        self.taken += data["statuses"]


async def test_the_newest_of_a_row_is_told_when_an_older_status_could_not_be_published() -> None:
    """A request with the row is merged while the broker doesn't take what a reconcile tells of it."""
    broker, table = Broker(), FakeTable()
    later = Later("git", broker, "status")
    metrics = ReconcileMetrics("git", CollectorRegistry())
    target = MemoryTarget(name="git")
    reconciler = Reconciler(target, table, broker, Topics("status", "dead"), metrics, later.publish)
    table.save(1, 1, "a")
    running = asyncio.create_task(reconciler.execute(reconciler.begin("test", dry_run=False)))
    await broker.asked.wait()  # "created, proposed", say

    later.notice([News(app_config(1), "a", 1, False, Delivered(Outcome.CREATED, "the-merge"))])
    broker.gives_up.set()
    await running
    broker.back.set()
    telling = asyncio.create_task(later.run())
    for _ in range(100):
        await asyncio.sleep(0.01)
        if broker.taken:
            break
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)

    newest = max(broker.taken, key=lambda one: one["delivered_at"])
    assert newest["reference"] == "the-merge"
