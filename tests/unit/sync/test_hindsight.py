"""An event that is older than the instance is believed only if the table still says so."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rowcast.sync.delivery import Delivery, Entry, Topics
from rowcast.sync.hindsight import ROWS_A_READ, Hindsight
from rowcast.sync.metrics import SyncMetrics
from rowcast.sync.targets.memory import MemoryTarget
from unit.core.changes import event, row
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio
STARTED = 5_000
BEFORE, AFTER = STARTED - 1, STARTED + 1


class Bench:
    """A fresh instance: its target is empty, and it remembers nothing."""

    def __init__(self) -> None:
        self.table = FakeTable(lsn=STARTED)
        self.target = MemoryTarget()
        self.outcomes: list[tuple[int, str]] = []
        metrics = SyncMetrics("memory", CollectorRegistry())
        topics = Topics("status", "dead")
        self._delivery = Delivery(self.target, self, topics, metrics, hindsight=Hindsight(self.table))

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.outcomes += [(status["row_id"], status["outcome"]) for status in data["statuses"]]

    async def deliver(self, *events: object) -> set[str]:
        return await self._delivery.deliver([Entry(str(n), one, {}) for n, one in enumerate(events)])

    async def held(self) -> set[int]:
        return {held.row_id for held in await self.target.inventory()}


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("op", ["c", "u", "r"])
async def test_an_old_event_of_a_row_that_was_deleted_before_the_start_brings_nothing_back(
    bench: Bench, op: str
) -> None:
    assert await bench.deliver(event(op, lsn=BEFORE, row_id=7)) == set()
    assert await bench.held() == set()
    assert bench.outcomes == [(7, "stale")]


async def test_an_old_event_below_the_tables_generation_is_left_to_the_newer_one(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=6)
    await bench.deliver(event(lsn=BEFORE, row_id=7, generation=5))
    assert await bench.held() == set()


async def test_an_old_event_that_the_table_still_says_is_delivered(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=5)
    await bench.deliver(event(lsn=BEFORE, row_id=7, generation=5))
    assert await bench.held() == {7}


async def test_an_old_event_above_a_restored_tables_generation_is_left_to_the_fence(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=2)
    await bench.deliver(event(lsn=BEFORE, row_id=7, generation=5))
    assert await bench.held() == {7}


async def test_an_old_deletion_needs_no_leave(bench: Bench) -> None:
    await bench.deliver(event("c", lsn=AFTER, row_id=7, generation=1))
    await bench.deliver(event("d", lsn=BEFORE, row_id=7, generation=2))
    assert await bench.held() == set()


async def test_events_after_the_start_ask_the_table_nothing_more(bench: Bench) -> None:
    await bench.deliver(event("c", lsn=AFTER, row_id=7))
    bench.table.broken = "crud is away"
    assert await bench.deliver(event("c", lsn=AFTER + 1, row_id=8, name="b")) == set()
    assert await bench.held() == {7, 8}


async def test_while_the_table_cannot_be_read_old_events_wait(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=1)
    bench.table.broken = "crud is away"
    old = event("c", lsn=BEFORE, row_id=7)
    assert await bench.deliver(old) == {"0"}

    bench.table.broken = None
    assert await bench.deliver(old) == set()
    assert await bench.held() == {7}


async def test_a_large_batch_of_old_events_is_asked_for_in_parts(bench: Bench) -> None:
    ids = range(1, ROWS_A_READ + 2)
    bench.table.rows |= {row_id: _row(row_id, generation=1) for row_id in ids}
    await bench.deliver(*(event("c", lsn=BEFORE, row_id=row_id, name=f"n{row_id}") for row_id in ids))
    assert await bench.held() == set(ids)
    assert bench.table.snapshots == 3  # where the log was, and two parts


def _row(row_id: int, generation: int) -> dict[str, Any]:
    return row(row_id, generation, f"n{row_id}")
