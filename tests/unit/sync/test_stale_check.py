"""Where nothing at the target stands guard for a row, its event is believed only if the table says so, too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.errors import PermanentError
from rowcast.core.events import PLACEHOLDER
from rowcast.core.row import RowKey, app_config
from rowcast.sync.delivery.delivery import Delivery
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.intake.batch import Entry
from rowcast.sync.intake.retries import Retries
from rowcast.sync.monitoring.facts import utc_now
from rowcast.sync.monitoring.metrics import SyncMetrics
from rowcast.sync.status.report import Topics
from rowcast.sync.table.rows import ROWS_AT_ONCE
from rowcast.sync.table.visibility import Visibility
from rowcast.sync.targets.memory import MemoryTarget
from unit.core.changes import event, row
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio
STARTED = 5_000
BEFORE, AFTER = STARTED - 1, STARTED + 1
SAVED = datetime(2026, 11, 22, 15, 42, 28, tzinfo=UTC)
"""Just after the events were."""


class Bench:
    """A fresh instance: its target is empty, and it remembers nothing."""

    def __init__(self) -> None:
        self.table = FakeTable(lsn=STARTED)
        self.target = MemoryTarget()
        self.outcomes: list[tuple[int, str]] = []
        self.statuses: list[dict[str, Any]] = []
        self.drifted: list[RowKey] = []
        self.now = SAVED
        metrics = SyncMetrics("memory", CollectorRegistry())
        topics = Topics("status", "dead")
        retries = Retries(utc_now, capacity=0)
        self.hindsight = Hindsight(self.target, self.table, self.drifted.append, clock=lambda: self.now)
        self._delivery = Delivery(self.target, self, topics, metrics, retries, hindsight=self.hindsight)

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        if topic != "status":
            return
        self.statuses += data["statuses"]
        self.outcomes += [(int(status["key"]), status["outcome"]) for status in data["statuses"]]

    async def deliver(self, *events: object) -> set[str]:
        return await self._delivery.deliver([Entry(str(n), one, {}) for n, one in enumerate(events)])

    async def held(self) -> set[int]:
        return {int(held.row.key) for held in await self.target.inventory()}

    async def has(self, row_id: int, generation: int, **fields: str) -> None:
        """The row is in the table, and has been delivered."""
        self.table.rows[row_id] = _row(row_id, generation, **fields)
        await self.target.deliver([replace(self.table.desired(row_id), lsn=STARTED)])

    def spec(self, row_id: int) -> Any:
        """What the target holds of a row: its generation, and the spec."""
        (stored,) = [one for one in self.target.store.objects.values() if one.held and int(one.held.row.key) == row_id]
        return stored.held.generation if stored.held else 0, stored.manifest.body["spec"]


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
    assert [(one["generation"], one["outcome"]) for one in bench.statuses] == [(3, "created")]
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
    ids = range(1, ROWS_AT_ONCE + 2)
    bench.table.rows |= {row_id: _row(row_id, generation=1) for row_id in ids}
    await bench.deliver(*(event("c", lsn=BEFORE, row_id=row_id, name=f"n{row_id}") for row_id in ids))
    assert await bench.held() == set(ids)
    assert bench.table.snapshots == 5  # where the log was, and two parts before and after


@pytest.mark.parametrize("generation", [1, 3, 4, 2**60])
async def test_a_forged_deletion_takes_nothing_away(bench: Bench, generation: int) -> None:
    await bench.has(7, 3)
    assert await bench.deliver(event("d", lsn=AFTER, row_id=7, generation=generation)) == set()
    assert await bench.held() == {7}
    assert [(one["generation"], one["deleted"], one["outcome"]) for one in bench.statuses] == [(3, False, "unchanged")]

    bench.table.rows[7] = _row(7, generation=4, branch="true")
    await bench.deliver(event(lsn=AFTER + 1, row_id=7, generation=4, name="n7", branch="true"))
    assert bench.spec(7)[1]["branch"] == "true"


async def test_many_deletions_are_asked_for_in_parts(bench: Bench) -> None:
    ids = range(1, ROWS_AT_ONCE + 2)
    for row_id in ids:
        await bench.has(row_id, 1)
    bench.table.rows.clear()

    deletions = [event("d", lsn=AFTER, row_id=row_id, generation=2, name=f"n{row_id}") for row_id in ids]
    assert await bench.deliver(*deletions) == set()

    assert bench.table.snapshots == 2
    assert await bench.held() == set()
    assert set(bench.outcomes) == {(row_id, "deleted") for row_id in ids}


async def test_a_deletion_that_the_table_does_not_show_yet_waits(bench: Bench) -> None:
    await bench.has(7, 1)
    bench.table.visible = Visibility(781, frozenset({780}))
    deletion = event("d", lsn=AFTER, row_id=7, generation=2) | {"iodebeziumtxId": "780"}
    assert await bench.deliver(deletion) == {"0"}

    bench.table.visible = Visibility(781)
    del bench.table.rows[7]
    assert await bench.deliver(deletion) == set()
    assert await bench.held() == set()


@pytest.mark.parametrize("transaction", ["2000000", "4294967295"])
async def test_a_transaction_that_can_not_be_is_not_waited_for(bench: Bench, transaction: str) -> None:
    await bench.has(7, 1)
    bench.table.visible = Visibility(781)
    forged = event("d", lsn=AFTER, row_id=7, generation=2) | {"iodebeziumtxId": transaction}
    assert await bench.deliver(forged) == set()
    assert await bench.held() == {7}


async def test_while_the_table_cannot_be_read_deletions_wait(bench: Bench) -> None:
    await bench.has(7, 1)
    bench.table.broken = "crud is away"
    assert await bench.deliver(event("d", lsn=AFTER, row_id=7, generation=2)) == {"0"}
    assert await bench.held() == {7}


async def test_a_deletion_by_its_key_alone_deletes_and_is_told_of_the_generation_that_went(bench: Bench) -> None:
    """REPLICA IDENTITY DEFAULT; what isn't in the key is null, or the column's default."""
    await bench.has(7, 5)
    del bench.table.rows[7]
    deletion = event("d", lsn=AFTER)
    deletion["data"]["before"] = {"id": 7, "name": "", "generation": 1, "branch": "main", "updated_by": None}

    assert await bench.deliver(deletion) == set()

    assert await bench.held() == set()
    (told,) = bench.statuses
    assert (told["generation"], told["deleted"], told["outcome"], told["name"]) == (5, True, "deleted", "n7")


@pytest.mark.parametrize("generation", [4, 50, 2**60])
async def test_a_forged_jump_neither_arrives_nor_fences_the_row_off(bench: Bench, generation: int) -> None:
    await bench.has(7, 2)
    assert await bench.deliver(event(lsn=AFTER, row_id=7, generation=generation, branch="forged")) == set()
    assert bench.spec(7) == (2, bench.table.desired(7).manifests[0].body["spec"])

    bench.table.rows[7] = _row(7, generation=3, branch="true")
    await bench.deliver(event(lsn=AFTER + 1, row_id=7, generation=3, name="n7", branch="true"))
    assert (bench.spec(7)[0], bench.spec(7)[1]["branch"]) == (3, "true")
    assert [(one["generation"], one["outcome"]) for one in bench.statuses] == [(2, "unchanged"), (3, "configured")]


async def test_a_forged_jump_beside_the_true_change_leaves_the_rows_own_state(bench: Bench) -> None:
    """Of one row only the highest generation of a batch is looked at: here it is the forged one."""
    await bench.has(7, 2)
    bench.table.rows[7] = _row(7, generation=3, branch="true")
    true = event(lsn=AFTER, row_id=7, generation=3, name="n7", branch="true")
    await bench.deliver(true, event(lsn=AFTER, row_id=7, generation=9, branch="forged"))
    assert (bench.spec(7)[0], bench.spec(7)[1]["branch"]) == (3, "true")


async def test_what_a_forged_event_hides_of_a_rows_change_is_told_by_the_tables_state(bench: Bench) -> None:
    """The true event is of a lower generation than the forged one of its batch, and is not looked at."""
    await bench.has(7, 2)
    bench.table.rows[7] = _row(7, generation=3, branch="true")
    true = event(lsn=AFTER, row_id=7, generation=3, name="n7", branch="true")
    await bench.deliver(true, event(lsn=AFTER, row_id=7, generation=2**60, branch="forged"))
    assert [(one["generation"], one["deleted"], one["outcome"]) for one in bench.statuses] == [(3, False, "configured")]


@pytest.mark.parametrize("op", ["u", "d"])
async def test_a_forged_generation_of_a_row_that_is_gone_hides_its_deletion_from_nobody(bench: Bench, op: str) -> None:
    await bench.has(7, 2)
    bench.table.rows.clear()
    await bench.deliver(event(op, lsn=AFTER, row_id=7, generation=2**60, branch="forged"))
    bench.statuses.clear()

    await bench.deliver(event("d", lsn=AFTER + 1, row_id=7, generation=2))

    assert await bench.held() == set()
    assert [(one["generation"], one["deleted"], one["outcome"]) for one in bench.statuses] == [(2, True, "unchanged")]


async def test_a_deletion_by_its_key_alone_is_told_where_the_rows_last_change_came_after_its_end(bench: Bench) -> None:
    """That change took away what there was of the row, and says nothing of its deletion."""
    await bench.has(7, 4)
    bench.table.rows.clear()
    await bench.deliver(event(lsn=AFTER, row_id=7, generation=6, branch="last"))
    bench.statuses.clear()
    deletion = event("d", lsn=AFTER + 1)
    deletion["data"]["before"] = {"id": 7, "name": "", "generation": 1, "branch": "main", "updated_by": None}

    await bench.deliver(deletion)

    assert [(one["deleted"], one["outcome"]) for one in bench.statuses] == [(True, "unchanged")]


@pytest.mark.parametrize("op", ["u", "d"])
async def test_a_key_that_comes_back_below_a_forged_generation_arrives_or_gets_a_second_look(
    bench: Bench, op: str
) -> None:
    await bench.has(7, 2)
    bench.table.rows.clear()
    await bench.deliver(event(op, lsn=AFTER, row_id=7, generation=2**60, branch="forged"))

    bench.table.rows[7] = _row(7, generation=3)
    await bench.deliver(event("c", lsn=AFTER + 1, row_id=7, generation=3, name="n7"))

    assert await bench.held() == {7} or bench.drifted == [app_config(7)]


async def test_a_forged_event_that_hides_a_deletion_takes_the_row_away_and_tells_it(bench: Bench) -> None:
    await bench.has(7, 2)
    bench.table.rows.clear()
    forged = event(lsn=AFTER, row_id=7, generation=2**60, branch="forged")
    await bench.deliver(event("d", lsn=AFTER + 1, row_id=7, generation=2), forged)
    assert await bench.held() == set()
    assert [(one["generation"], one["deleted"], one["outcome"]) for one in bench.statuses] == [(2, True, "deleted")]


async def test_a_true_jump_arrives(bench: Bench) -> None:
    """Changes in between were refused by the target, say."""
    await bench.has(7, 2)
    bench.table.rows[7] = _row(7, generation=6, branch="true")
    await bench.deliver(event(lsn=AFTER, row_id=7, generation=6, name="n7", branch="true"))
    assert (bench.spec(7)[0], bench.outcomes) == (6, [(7, "configured")])


async def test_many_changes_of_a_row_at_once_ask_nothing(bench: Bench) -> None:
    await bench.has(7, 1)
    await bench.deliver(event(lsn=AFTER, row_id=7, generation=2))
    asked = bench.table.snapshots
    await bench.deliver(*(event(lsn=AFTER + n, row_id=7, generation=n) for n in range(3, 10)))
    assert bench.table.snapshots == asked


async def test_a_change_at_the_same_generation_arrives(bench: Bench) -> None:
    """Made while the table's triggers were disabled."""
    await bench.has(7, 2)
    bench.table.rows[7] = _row(7, generation=2, branch="true")
    assert await bench.deliver(event(lsn=AFTER, row_id=7, generation=2, name="n7", branch="true")) == set()
    assert (bench.spec(7)[0], bench.spec(7)[1]["branch"]) == (2, "true")
    assert bench.outcomes == [(7, "configured")]


async def test_other_content_that_the_table_does_not_have_does_not_arrive(bench: Bench) -> None:
    await bench.has(7, 2)
    await bench.deliver(event(lsn=AFTER, row_id=7, generation=2, name="n7", branch="forged"))
    assert bench.spec(7)[1]["branch"] == "main"
    assert bench.outcomes == [(7, "unchanged")]


@pytest.mark.parametrize(("op", "branch"), [("u", "true"), ("r", "by-hand")])
async def test_where_drift_is_only_shown_a_change_arrives_and_a_repeated_one_does_not_correct(
    bench: Bench, op: str, branch: str
) -> None:
    await bench.has(7, 2, branch="by-hand")
    bench.table.rows[7] = _row(7, generation=2, branch="true")
    bench.hindsight._correct = False
    event_ = event(op, lsn=AFTER, row_id=7, generation=2, name="n7", branch="true") | {"iodebeziumtxId": "7"}
    await bench.deliver(event_)
    assert bench.spec(7)[1]["branch"] == branch
    assert bench.drifted == ([] if op == "u" else [app_config(7)])


@pytest.mark.parametrize("field", ["repository_url", "branch", "environment", "name"])
@pytest.mark.parametrize("generation", [2, 3])
async def test_where_an_event_has_debeziums_placeholder_the_tables_value_arrives(
    bench: Bench, field: str, generation: int
) -> None:
    await bench.has(7, 1)
    bench.table.rows[7] = _row(7, generation, branch="true")
    placed = event(
        lsn=AFTER, row_id=7, generation=generation, **({"name": "n7", "branch": "true"} | {field: PLACEHOLDER})
    )

    bench.table.broken = "crud is away"
    assert await bench.deliver(placed) == {"0"}
    assert bench.spec(7)[0] == 1

    bench.table.broken = None
    assert await bench.deliver(placed) == set()
    assert bench.spec(7) == (generation, bench.table.desired(7).manifests[0].body["spec"])
    assert bench.outcomes == [(7, "configured")]


async def test_what_the_target_has_beyond_the_table_gets_a_second_look(bench: Bench) -> None:
    await bench.has(7, 9)
    bench.table.rows[7] = _row(7, generation=4)
    await bench.deliver(event("d", lsn=AFTER, row_id=7, generation=10))
    assert await bench.held() == {7}
    assert bench.drifted == [app_config(7)]


async def test_rows_that_the_target_does_not_hold_are_asked_for_once(bench: Bench) -> None:
    """Another instance delivers their environment, say; here every change of them is refused."""
    bench.target.refused[app_config(7)] = PermanentError("rejected", "no")
    bench.table.rows[7] = _row(7, generation=5)
    await bench.deliver(event(lsn=AFTER, row_id=7, generation=5, name="n7"))
    asked = bench.table.snapshots
    await bench.deliver(event(lsn=AFTER + 1, row_id=7, generation=6, name="n7"))
    assert bench.table.snapshots == asked


def _row(row_id: int, generation: int, **fields: str) -> dict[str, Any]:
    return row(row_id, generation, f"n{row_id}", **fields)


@pytest.mark.parametrize("seconds", [3, 3600])
async def test_an_event_that_begins_a_row_and_comes_late_is_not_believed_for_a_moment(
    bench: Bench, seconds: float
) -> None:
    """Its row's end may have overtaken it, to another instance: where the broker keeps no order, that is usual."""
    await bench.deliver(event("c", lsn=AFTER, row_id=1, name="a"))
    bench.now += timedelta(seconds=seconds)
    before = bench.target.store.version

    assert await bench.deliver(event("c", lsn=AFTER, row_id=7)) == set()

    assert (await bench.held(), bench.target.store.version) == (set(), before)


async def test_an_event_that_begins_a_row_and_says_no_time_counts_as_late(bench: Bench) -> None:
    bench.table.rows[1] = _row(1, 1)
    await bench.deliver(event("c", lsn=AFTER, row_id=1))
    version = bench.target.store.version

    await bench.deliver({**event("c", lsn=AFTER, row_id=7, name="b"), "time": None})

    assert bench.target.store.version == version


async def test_an_old_event_that_the_target_has_already_asks_nothing(bench: Bench) -> None:
    """After a restart a backlog's events, one by one, are delivered as fast as they come."""
    await bench.has(7, 3)
    await bench.deliver(event("u", lsn=AFTER, row_id=7, name="n7", generation=3))
    asked = bench.table.snapshots

    for generation in (1, 2, 3):
        assert await bench.deliver(event("u", lsn=BEFORE, row_id=7, name="n7", generation=generation)) == set()

    assert bench.table.snapshots == asked
    assert [outcome for _, outcome in bench.outcomes[-3:]] == ["stale", "stale", "unchanged"]


async def test_an_event_out_of_order_of_a_row_that_another_instance_has_deleted_is_not_believed_for_a_moment(
    bench: Bench,
) -> None:
    await bench.has(7, 2)
    await bench.deliver(event("u", lsn=AFTER, row_id=7, name="n7", generation=2))
    bench.table.rows.clear()
    bench.target.store.objects.clear()
    version = bench.target.store.version

    assert await bench.deliver(event("c", lsn=AFTER, row_id=7, name="n7", generation=1)) == set()

    assert (await bench.held(), bench.target.store.version) == (set(), version)
