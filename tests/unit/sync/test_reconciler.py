"""Reconciling with a table that moves, on the fake target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import decode, read
from rowcast.core.render import Desired, render
from rowcast.core.row import RowKey, app_config
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import BusyError, Reconciler
from rowcast.sync.reconcile.run import Run
from rowcast.sync.status.report import Topics
from rowcast.sync.table.rows import Snapshot
from rowcast.sync.table.visibility import Visibility
from rowcast.sync.targets.memory import MemoryTarget
from unit.core.changes import row

pytestmark = pytest.mark.anyio
Moment = Callable[[], Awaitable[None]]


@dataclass
class FakeTable:
    """Rows by id; `before_reading` runs once, before the snapshot of that number is taken."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    lsn: int = 1_000
    snapshots: int = 0
    broken: str | None = None
    visible: Visibility | None = None
    before_reading: dict[int, Moment] = field(default_factory=dict)

    def save(self, row_id: int, generation: int, name: str, **fields: str) -> None:
        self.lsn += 1
        self.rows[row_id] = row(row_id, generation, name, **fields)

    @asynccontextmanager
    async def snapshot(self, wanted: Sequence[RowKey] = ()) -> AsyncIterator[Snapshot]:
        self.snapshots += 1
        if self.snapshots in self.before_reading:
            await self.before_reading[self.snapshots]()
        if self.broken:
            raise TransientError(self.broken)
        found = [self.desired(one) for one in sorted(self.rows) if not wanted or app_config(one) in wanted]

        async def rows() -> AsyncIterator[Desired]:
            for one in found:
                yield one

        yield Snapshot(self.lsn, len(found), rows(), self.visible)

    async def breaks(self) -> None:
        """From now on it can't be read."""
        self.broken = "crud is away"

    def desired(self, row_id: int) -> Desired:
        return render(read(self.rows[row_id], self.lsn))


@dataclass
class Bench:
    table: FakeTable = field(default_factory=FakeTable)
    target: MemoryTarget = field(default_factory=MemoryTarget)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    broken: bool = False
    left: list[dict[str, Any]] = field(default_factory=list)
    largest: int = 0

    def __post_init__(self) -> None:
        metrics = ReconcileMetrics("memory", self.registry)
        topics = Topics("status", "dead-letters")
        self.reconciler = Reconciler(self.target, self.table, self, topics, metrics, self.left.extend)

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.largest = max(self.largest, len(orjson.dumps(data)))
        if self.broken:
            raise TransientError("the broker is away")
        if topic == "dead-letters":
            self.letters.append(data)
        else:
            self.statuses += data["statuses"]

    async def run(self, *, dry_run: bool = False, prune_limit: float | None = None) -> Run:
        run = self.reconciler.begin("test", dry_run)
        await self.reconciler.execute(run, prune_limit)
        return run

    async def deliver(self, row_id: int) -> None:
        """The row's event arrives."""
        await self.target.deliver([self.table.desired(row_id)])

    async def held(self) -> dict[str, tuple[int, int]]:
        return {one.key.rpartition("/")[2]: (int(one.row.key), one.generation) for one in await self.target.inventory()}

    def told(self) -> list[tuple[int, int, str]]:
        assert all(status["cause"] == "reconcile" for status in self.statuses)
        return [(int(status["key"]), status["generation"], status["outcome"]) for status in self.statuses]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_is_missing_behind_edited_and_orphaned_is_put_right_and_told(bench: Bench) -> None:
    for row_id, name in enumerate(("missing", "behind", "edited", "orphan"), start=1):
        bench.table.save(row_id, 1, name, branch="other")
    for row_id in (2, 3, 4):
        await bench.deliver(row_id)
    bench.table.save(2, 2, "behind")
    bench.table.save(3, 1, "edited", branch="main")
    del bench.table.rows[4]

    run = await bench.run()

    assert (run.state, run.skipped, run.failed) == ("done", 0, [])
    assert await bench.held() == {"missing": (1, 1), "behind": (2, 2), "edited": (3, 1)}
    assert sorted(bench.told()) == [(1, 1, "created"), (2, 2, "configured"), (3, 1, "configured"), (4, 1, "deleted")]
    assert (await bench.run(dry_run=True)).told()["differences"] == {"missing": 0, "different": 0, "orphaned": 0}


async def test_a_dry_run_only_tells(bench: Bench) -> None:
    bench.table.save(1, 1, "a")

    run = await bench.run(dry_run=True)

    assert run.told()["text"][1] == "  apply a (row appconfigs/1@1): is not there"
    assert await bench.held() == {}
    assert bench.statuses == []


async def test_an_empty_table_removes_nothing_unless_told_to(bench: Bench) -> None:
    for row_id in range(1, 11):
        bench.table.save(row_id, 1, f"n{row_id}")
        await bench.deliver(row_id)
    bench.table.rows.clear()

    refused = await bench.run()
    assert (refused.state, len(await bench.held())) == ("refused", 10)
    assert refused.error is not None
    assert "would prune 10 of 10 rows" in refused.error

    assert (await bench.run(prune_limit=1)).state == "done"
    assert await bench.held() == {}


async def test_a_refused_plan_is_not_executed_in_part(bench: Bench) -> None:
    for row_id in range(1, 11):
        bench.table.save(row_id, 1, f"n{row_id}")
        await bench.deliver(row_id)
    bench.table.rows.clear()
    bench.table.save(11, 1, "other-table")

    assert (await bench.run()).state == "refused"
    assert "other-table" not in await bench.held()


@pytest.mark.parametrize("broken_at", [1, 2])
async def test_a_table_that_cannot_be_read_changes_nothing(bench: Bench, broken_at: int) -> None:
    bench.table.save(1, 1, "a")
    await bench.deliver(1)
    bench.table.rows.clear()

    async def breaks() -> None:
        bench.table.broken = "crud is away"

    bench.table.before_reading[broken_at] = breaks
    run = await bench.run(prune_limit=1)

    assert (run.state, run.error) == ("failed", "crud is away")
    assert await bench.held() == {"a": (1, 1)}


async def test_a_row_that_changed_since_the_snapshot_is_left_to_its_event(bench: Bench) -> None:
    bench.table.save(1, 1, "a")

    async def changes() -> None:
        bench.table.save(1, 2, "a")

    bench.table.before_reading[2] = changes
    run = await bench.run()

    assert (run.skipped, await bench.held()) == (1, {})


async def test_a_row_that_came_back_since_the_snapshot_is_not_pruned(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    await bench.deliver(1)
    row = bench.table.rows.pop(1)

    async def returns() -> None:
        bench.table.rows[1] = row

    bench.table.before_reading[2] = returns
    run = await bench.run()

    assert (run.skipped, await bench.held()) == (1, {"a": (1, 1)})


async def test_an_event_that_overtakes_the_delivery_is_not_undone_even_for_a_moment(bench: Bench) -> None:
    """Read at generation 1, then changed, and delivered by its event at 2."""
    bench.table.save(1, 1, "a")
    deliver = bench.target.deliver
    moments = []

    async def overtaken(batch: Sequence[Desired]) -> Any:
        if bench.table.rows[1]["generation"] == 1:
            bench.table.save(1, 2, "b")
            await deliver([bench.table.desired(1)])
        results = await deliver(batch)
        moments.append(await bench.held())
        return results

    bench.reconciler._settling._target = _Delivering(overtaken)  # type: ignore[assignment]
    run = await bench.run()

    assert run.state == "done"
    assert moments == [{"b": (1, 2)}] * len(moments) != []


async def test_what_was_captured_and_is_not_visible_yet_brings_nothing_back(bench: Bench) -> None:
    """Its deletion was delivered while the row was healed, and the transaction that made it still counts as running."""
    bench.table.save(1, 5, "n1")
    bench.table.visible = Visibility(end=100, running=frozenset({99}))
    await bench.target.deliver([replace(bench.table.desired(1), generation=6, manifests=())])
    made: list[int] = []

    async def shows() -> None:
        made.append(len(await bench.held()))
        del bench.table.rows[1]
        bench.table.visible = Visibility(end=101)

    bench.table.before_reading[4] = shows
    await bench.reconciler.heal([app_config(1)])

    assert made == [0]
    assert await bench.held() == {}
    assert bench.target.store.version == 0


async def test_what_stays_unsure_is_left_as_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcast.sync.table.settling.LOOK_SECONDS", 0)
    bench.table.save(1, 5, "n1")
    bench.table.visible = Visibility(end=100, running=frozenset({99}))
    await bench.target.deliver([replace(bench.table.desired(1), generation=6, manifests=())])

    await bench.reconciler.heal([app_config(1)])

    assert await bench.held() == {}


async def test_what_a_restored_table_has_goes_below_what_was_delivered(bench: Bench) -> None:
    """When it is about one row, too: nothing was compared before."""
    bench.table.save(1, 3, "a")
    await bench.run()
    bench.table.save(1, 2, "b")

    await bench.reconciler.heal([app_config(1)])

    assert await bench.held() == {"b": (1, 2)}


async def test_a_deletion_that_overtakes_the_delivery_is_not_undone(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    deliver = bench.target.deliver

    async def overtaken(batch: Sequence[Desired]) -> Any:
        bench.table.rows.pop(1, None)
        return await deliver(batch)

    bench.reconciler._settling._target = _Delivering(overtaken)  # type: ignore[assignment]
    await bench.run()

    assert await bench.held() == {}


class _Delivering:
    def __init__(self, deliver: Callable[[Sequence[Desired]], Awaitable[Any]]) -> None:
        self.deliver = deliver


async def test_a_row_that_the_target_refuses_is_told_and_the_others_arrive(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    bench.table.save(2, 1, "b")
    bench.target.refused[app_config(1)] = PermanentError("rejected", "no such field")

    run = await bench.run()

    assert run.state == "failed"
    assert run.failed == ["a (row appconfigs/1): no such field"]
    assert await bench.held() == {"b": (2, 1)}
    assert (1, 1, "dead-lettered") in bench.told()


async def test_a_row_that_a_reconcile_finds_refused_is_a_dead_letter_of_its_generation_that_can_be_replayed(
    bench: Bench,
) -> None:
    bench.table.save(1, 2, "a")
    bench.target.refused[app_config(1)] = PermanentError("rejected", "no such field")

    await bench.run()
    await bench.run()
    await bench.reconciler.heal([app_config(1)])

    (letter,) = bench.letters
    assert (letter["key"], letter["generation"], letter["reason"], letter["error"], letter["once"]) == (
        "1",
        2,
        "rejected",
        "no such field",
        True,
    )
    bench.table.save(1, 3, "a")
    await bench.run()
    assert [letter["generation"] for letter in bench.letters] == [2, 3]
    bench.target.refused.clear()
    await bench.target.deliver([render(decode(bench.letters[-1]["event"]))])
    assert await bench.held() == {"a": (1, 3)}


async def test_drift_that_the_target_does_not_let_be_put_right_is_a_dead_letter(bench: Bench) -> None:
    bench.table.save(1, 1, "edited", branch="by-hand")
    await bench.deliver(1)
    bench.table.save(1, 1, "edited", branch="main")
    bench.target.refused[app_config(1)] = PermanentError("rejected", "denied by a policy")

    assert await bench.reconciler.heal([app_config(1)]) == {}

    assert [(letter["key"], letter["reason"]) for letter in bench.letters] == [("1", "rejected")]
    assert bench.told() == [(1, 1, "dead-lettered")]


async def test_an_orphan_that_the_target_does_not_let_go_is_a_dead_letter(bench: Bench) -> None:
    bench.table.save(1, 1, "orphan")
    bench.table.save(2, 1, "other")
    await bench.deliver(1)
    await bench.deliver(2)
    del bench.table.rows[1]
    bench.target.refused[app_config(1)] = PermanentError("forbidden", "no")

    await bench.run(prune_limit=100)

    (letter,) = bench.letters
    change = decode(letter["event"])
    assert (change.deleted, int(change.row.key), letter["name"]) == (True, 1, "orphan")
    bench.target.refused.clear()
    await bench.target.deliver([render(change)])
    assert await bench.held() == {"other": (2, 1)}


async def test_what_is_refused_is_not_told_before_its_dead_letter_is_with_the_broker(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    bench.target.refused[app_config(1)] = PermanentError("rejected", "no")
    bench.broken = True

    assert await bench.reconciler.heal([app_config(1)]) == {app_config(1): "the broker is away"}
    assert (await bench.run()).state == "failed"
    assert (bench.statuses, bench.left) == ([], [])

    bench.broken = False
    assert await bench.reconciler.heal([app_config(1)]) == {}
    assert (len(bench.letters), bench.told()) == (1, [(1, 1, "dead-lettered")])


async def test_only_one_runs_at_a_time(bench: Bench) -> None:
    bench.reconciler.begin("period", dry_run=False)

    with pytest.raises(BusyError):
        bench.reconciler.begin("request", dry_run=False)


async def test_a_large_run_goes_in_batches_and_says_how_far_it_is(bench: Bench) -> None:
    for row_id in range(1, 1202):
        bench.table.save(row_id, 1, f"n{row_id}")

    run = await bench.run()

    assert (run.done, run.total, run.outcomes) == (1201, 1201, {"created": 1201})
    assert len(await bench.held()) == 1201


async def test_drift_of_a_row_is_healed_and_what_is_right_is_not_told(bench: Bench) -> None:
    bench.table.save(1, 1, "edited", branch="by-hand")
    bench.table.save(2, 1, "right")
    for row_id in (1, 2):
        await bench.deliver(row_id)
    bench.table.save(1, 1, "edited", branch="main")

    await bench.reconciler.heal([app_config(1), app_config(2), app_config(3)])

    assert bench.told() == [(1, 1, "configured")]


async def test_what_comes_back_after_its_rows_deletion_was_delivered_goes_as_drift_though_the_table_is_empty(
    bench: Bench,
) -> None:
    bench.table.save(1, 2, "late")
    written = bench.table.desired(1)
    await bench.target.deliver([written])
    store = bench.target.store
    carried_out_late = dict(store.objects)
    await bench.target.deliver([replace(written, generation=3, manifests=())])
    store.objects |= carried_out_late
    bench.table.rows.clear()

    failed = await bench.reconciler.heal([app_config(1)])

    assert (await bench.held(), failed, bench.told()) == ({}, {}, [])


async def test_a_row_that_is_gone_from_the_table_without_a_deletion_is_left_to_a_plan(bench: Bench) -> None:
    bench.table.save(1, 2, "left")
    await bench.deliver(1)
    bench.table.rows.clear()

    await bench.reconciler.heal([app_config(1)])

    assert await bench.held() == {"left": (1, 2)}


async def test_what_was_found_is_a_metric(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    await bench.run()

    def value(name: str, **labels: str) -> float | None:
        return bench.registry.get_sample_value(name, {"target": "memory", **labels})

    assert value("rowcast_reconcile_differences", kind="missing") == 1
    assert value("rowcast_reconciles_total", state="done") == 1
    assert value("rowcast_reconcile_rows_total", renderer="appconfigs", outcome="created") == 1
    assert value("rowcast_reconcile_last_success_timestamp_seconds")


async def test_a_status_of_a_reconcile_tells_when_the_row_was_saved(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    bench.table.save(2, 1, "b")
    bench.target.refused[app_config(2)] = PermanentError("rejected", "no")

    await bench.run()

    saved = bench.table.rows[1]["updated_at"]
    assert [(int(status["key"]), status["saved_at"]) for status in bench.statuses] == [(1, saved), (2, saved)]
    assert decode(bench.letters[0]["event"]).saved_at == saved


async def test_statuses_that_can_not_be_published_at_once_are_not_lost(bench: Bench) -> None:
    bench.table.save(1, 1, "a")
    bench.broken = True

    assert (await bench.run()).state == "done"

    assert [(int(status["key"]), status["outcome"]) for status in bench.left] == [(1, "created")]


async def test_long_errors_of_many_rows_are_told_in_messages_that_a_broker_takes(bench: Bench) -> None:
    for row_id in range(1, 301):
        bench.table.save(row_id, 1, f"n{row_id}")
        bench.target.refused[app_config(row_id)] = PermanentError("rejected", "denied by a policy " * 10_000)

    await bench.run()

    assert len(bench.told()) == 300
    assert bench.largest <= 256 * 1024
