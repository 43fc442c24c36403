"""What a broker has lost is delivered from the table within seconds, by sync's own look: real crud, no event at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from rowcast.core.errors import TransientError
from rowcast.core.plan import Tombstones
from rowcast.sync.intake.flow import Flow
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.reconcile.schedule import Late
from rowcast.sync.settings import SyncSettings
from rowcast.sync.status.report import Topics
from rowcast.sync.table.rows import CrudTable
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget

from .test_sync_status import report, seen

pytestmark = pytest.mark.anyio
Row = dict[str, Any]
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def empty(sql: sa.Connection) -> Iterator[None]:
    yield
    for table in ("app_configs", "app_config_deletions", "sync_statuses"):
        sql.execute(sa.text(f"DELETE FROM {table}"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))


@dataclass
class Broker:
    """Brings statuses to crud; the first `lost` messages it takes and loses."""

    crud: httpx.Client
    lost: int = 0
    taken: int = 0

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.taken += 1
        if self.taken > self.lost:
            answer = await asyncio.to_thread(report, self.crud, *data["statuses"], target=data["target"])
            if answer.status_code != 200:
                raise TransientError(answer.text)


@dataclass
class Place:
    """One target with several instances, none of which gets an event."""

    broker: Broker
    store: MemoryStore = field(default_factory=MemoryStore)

    @asynccontextmanager
    async def looked_after(self, instances: int = 1) -> AsyncIterator[None]:
        port = self.broker.crud.base_url.port
        table = CrudTable(SyncSettings.given({"target": "k8s", "dapr_http_port": port}))
        lates = [self._late(table) for _ in range(instances)]
        tasks = [asyncio.create_task(late.run()) for late in lates]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await table.aclose()

    def _late(self, table: CrudTable) -> Late:
        target = MemoryTarget(MemoryStore(objects=self.store.objects, tombstones=Tombstones()), "k8s")
        metrics = ReconcileMetrics("k8s", CollectorRegistry())
        reconciler = Reconciler(target, table, self.broker, Topics("status", "dead-letters"), metrics)
        return Late(reconciler, table, "k8s", lambda _: False, Flow().passed, LOOK_SECONDS)

    def has(self) -> dict[str, tuple[int, int]]:
        held = [stored.held for stored in self.store.objects.values() if stored.held]
        return {one.key.rpartition("/")[2]: (int(one.row.key), one.generation) for one in held}


@pytest.fixture
def broker(crud: httpx.Client) -> Broker:
    return Broker(crud)


@pytest.fixture
def place(broker: Broker) -> Place:
    return Place(broker)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - between two looks; the condition decides
            await asyncio.sleep(0.05)


async def changed(crud: httpx.Client, method: str, row: Row, body: Row | None = None) -> None:
    answer = await asyncio.to_thread(crud.request, method, f"/appconfigs/{row['id']}", json=body)
    answer.raise_for_status()


def synced(crud: httpx.Client, rows: Sequence[Row]) -> bool:
    return all(seen(crud, row["id"])["state"] == "synced" for row in rows)


@pytest.mark.parametrize("instances", [1, 2])
async def test_a_change_of_any_kind_whose_event_never_comes_arrives_all_the_same(
    crud: httpx.Client, place: Place, new: Callable[..., Row], instances: int
) -> None:
    async with place.looked_after(instances):
        saved, updated, deleted, renamed = rows = [new(name) for name in ("saved", "updated", "deleted", "renamed")]
        await until(lambda: synced(crud, rows))
        await changed(crud, "PATCH", updated, {"branch": "b"})
        await changed(crud, "DELETE", deleted)
        await changed(crud, "PATCH", renamed, {"name": "moved"})

        await until(lambda: synced(crud, [saved, updated, renamed]) and "deleted" not in place.has())

    assert place.has() == {"saved": (saved["id"], 1), "updated": (updated["id"], 2), "moved": (renamed["id"], 2)}


async def test_a_status_that_a_broker_has_taken_and_lost_is_told_again(
    crud: httpx.Client, place: Place, broker: Broker, new: Callable[..., Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowcast.sync.reconcile.schedule.LATE_TOLD_SECONDS", 1.0)
    broker.lost = 1
    row = new("untold")

    async with place.looked_after():
        await until(lambda: synced(crud, [row]))

    assert broker.taken > 1
    assert place.has() == {"untold": (row["id"], 1)}
