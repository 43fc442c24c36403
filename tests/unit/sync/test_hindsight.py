"""Where nothing at the target stands guard for a row, its event is believed only if the table says so, too."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rowcast.sync.batch import Entry
from rowcast.sync.delivery import Delivery
from rowcast.sync.hindsight import Hindsight
from rowcast.sync.metrics import SyncMetrics
from rowcast.sync.reconcile.table import IDS_AT_ONCE
from rowcast.sync.reconcile.visibility import Visibility
from rowcast.sync.reporting import Topics
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
        self._delivery = Delivery(self.target, self, topics, metrics, hindsight=Hindsight(self.target, self.table))

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


async def test_an_old_deletion_of_a_row_that_is_gone_is_done(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=1)
    await bench.deliver(event("c", lsn=AFTER, row_id=7, generation=1))
    del bench.table.rows[7]
    await bench.deliver(event("d", lsn=BEFORE, row_id=7, generation=2))
    assert await bench.held() == set()


async def test_updates_after_the_start_ask_the_table_nothing(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=1)
    await bench.deliver(event("c", lsn=AFTER, row_id=7))
    bench.table.broken = "crud is away"
    assert await bench.deliver(event("u", lsn=AFTER + 1, row_id=7, generation=2)) == set()
    assert bench.outcomes == [(7, "created"), (7, "configured")]


@pytest.mark.parametrize("name", ["n", "renamed"])
async def test_what_is_made_of_a_row_that_another_instance_saw_end_is_taken_back(bench: Bench, name: str) -> None:
    """Its deletion has come and gone before, there; here there was nothing to tell."""
    await bench.deliver(event("c", lsn=AFTER, row_id=7, generation=2, name=name))
    assert await bench.held() == set()
    assert bench.outcomes == [(7, "stale")]


async def test_what_is_made_of_a_row_that_has_moved_meanwhile_goes_where_the_table_has_it(bench: Bench) -> None:
    """Another instance has moved it, and here nothing was left to tell."""
    bench.table.rows[7] = _row(7, generation=3, environment="prod")
    await bench.deliver(event("c", lsn=AFTER, row_id=7, generation=2, environment="dev"))
    assert bench.outcomes == [(7, "stale")]
    assert [(one.key, one.generation) for one in await bench.target.inventory()] == [("prod/appconfigs/n7", 3)]


async def test_a_late_rename_of_a_row_that_is_gone_is_taken_back(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=1)
    await bench.deliver(event("c", lsn=AFTER, row_id=7))
    del bench.table.rows[7]
    await bench.deliver(event("u", lsn=AFTER + 1, row_id=7, generation=2, name="elsewhere"))
    assert await bench.held() == set()


async def test_what_is_new_is_done_only_once_the_table_was_asked(bench: Bench) -> None:
    bench.table.rows[7] = _row(7, generation=1)
    bench.table.before_reading[2] = bench.table.breaks
    made = event("c", lsn=AFTER, row_id=7)
    assert await bench.deliver(made) == {"0"}
    assert await bench.held() == {7}

    bench.table.broken = None
    assert await bench.deliver(made) == set()


async def test_what_turns_out_to_be_gone_when_it_is_asked_again_is_taken_back(bench: Bench) -> None:
    bench.table.before_reading[2] = bench.table.breaks
    made = event("c", lsn=AFTER, row_id=7)
    assert await bench.deliver(made) == {"0"}

    bench.table.broken = None
    assert await bench.deliver(made) == set()
    assert await bench.held() == set()


@pytest.mark.parametrize("lsn", [BEFORE, AFTER])
async def test_a_change_that_the_table_does_not_show_yet_is_not_taken_for_gone(bench: Bench, lsn: int) -> None:
    """A synchronous standby keeps a commit waiting that change capture has seen."""
    saved = event("c", lsn=lsn, row_id=7) | {"iodebeziumtxId": "780"}
    bench.table.visible = Visibility(781, frozenset({780}))
    assert await bench.deliver(saved) == {"0"}

    bench.table.rows[7] = _row(7, generation=1)
    bench.table.visible = Visibility(781)
    assert await bench.deliver(saved) == set()
    assert await bench.held() == {7}


async def test_while_the_table_cannot_be_read_old_events_wait(bench: Bench) -> None:
    bench.table.rows |= {row_id: _row(row_id, generation=1) for row_id in (6, 7)}
    await bench.deliver(event("c", lsn=AFTER, row_id=6, name="another"))
    bench.table.broken = "crud is away"
    old = event("c", lsn=BEFORE, row_id=7)
    assert await bench.deliver(old) == {"0"}

    bench.table.broken = None
    assert await bench.deliver(old) == set()
    assert await bench.held() == {6, 7}


async def test_a_large_batch_of_old_events_is_asked_for_in_parts(bench: Bench) -> None:
    ids = range(1, IDS_AT_ONCE + 2)
    bench.table.rows |= {row_id: _row(row_id, generation=1) for row_id in ids}
    await bench.deliver(*(event("c", lsn=BEFORE, row_id=row_id, name=f"n{row_id}") for row_id in ids))
    assert await bench.held() == set(ids)
    assert bench.table.snapshots == 5  # where the log was, and two parts before and after


def _row(row_id: int, generation: int, **fields: str) -> dict[str, Any]:
    return row(row_id, generation, f"n{row_id}", **fields)
