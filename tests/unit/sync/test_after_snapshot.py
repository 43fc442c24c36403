"""A snapshot shows no deletions: what went while nobody captured is found by the reconcile that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest

from rowcast.sync.reconcile import schedule
from rowcast.sync.reconcile.run import State
from rowcast.sync.reconcile.schedule import AfterSnapshot, Period
from unit.sync.test_reconciler import Bench

pytestmark = pytest.mark.anyio
QUIET = 0.01


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_row_that_was_deleted_unseen_is_pruned_after_the_snapshot(bench: Bench) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    async with _watching(bench) as after_snapshot:
        after_snapshot.notice()
        await _until_held(bench, {"b"})


async def test_without_a_snapshot_it_never_begins(bench: Bench) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    async with _watching(bench):
        for _ in range(10):
            await asyncio.sleep(0)
    assert bench.table.snapshots == 0


async def test_while_a_batch_is_delivered_the_snapshot_is_not_over_however_long_that_takes(bench: Bench) -> None:
    """It would compare the whole table again and again while its rows are on their way."""
    await _two_rows_of_which_one_went_unseen(bench)
    batches = {1}
    async with _watching(bench, under_way=lambda: bool(batches)) as after_snapshot:
        after_snapshot.notice()
        for _ in range(5):
            await asyncio.sleep(QUIET)
        assert bench.table.snapshots == 0

        batches.clear()
        after_snapshot.notice()
        await _until_held(bench, {"b"})


async def test_a_reconcile_that_fails_is_tried_again_until_one_succeeds(bench: Bench) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    bench.table.broken = "crud is away"
    async with _watching(bench) as after_snapshot:
        after_snapshot.notice()
        await _until(lambda: bench.table.snapshots >= 2)
        bench.table.broken = None
        await _until_held(bench, {"b"})


async def test_one_that_is_refused_since_deletions_are_on_their_way_is_looked_at_once_more(bench: Bench) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    async with _watching(bench, prune_limit=0.0) as after_snapshot:
        after_snapshot.notice()
        await _until(lambda: bench.reconciler.last is not None and bench.reconciler.last.state is State.REFUSED)
        bench.table.save(1, 1, "a")
        await _until(lambda: bench.reconciler.last is not None and bench.reconciler.last.state is State.DONE)
    assert set(await bench.held()) == {"a", "b"}


async def test_the_period_comes_sooner_after_a_refusal_and_not_after_the_next_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(schedule, "asyncio", SimpleNamespace(sleep=sleep))
    with suppress(asyncio.CancelledError):
        await Period(bench.reconciler, 300.0, prune_limit=0.0, correct=True).run()
    assert bench.reconciler.last is not None
    assert bench.reconciler.last.state is State.REFUSED
    assert pauses[1] == schedule.RETRY_SECONDS
    assert min(pauses[2:]) > 200.0


async def test_while_another_one_runs_it_waits_for_its_turn(bench: Bench) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    other = bench.reconciler.begin("api", dry_run=True)
    async with _watching(bench) as after_snapshot:
        after_snapshot.notice()
        await bench.reconciler.execute(other, 1.0)
        await _until_held(bench, {"b"})


async def test_it_only_looks_where_drift_is_only_reported(bench: Bench) -> None:
    await _two_rows_of_which_one_went_unseen(bench)
    async with _watching(bench, correct=False) as after_snapshot:
        after_snapshot.notice()
        await _until(lambda: bench.reconciler.last is not None)
    assert set(await bench.held()) == {"a", "b"}


async def _two_rows_of_which_one_went_unseen(bench: Bench) -> None:
    for row_id, name in ((1, "a"), (2, "b")):
        bench.table.save(row_id, 1, name)
        await bench.deliver(row_id)
    del bench.table.rows[1]


@asynccontextmanager
async def _watching(
    bench: Bench, correct: bool = True, prune_limit: float = 1.0, under_way: Callable[[], bool] = lambda: False
) -> AsyncIterator[AfterSnapshot]:
    after_snapshot = AfterSnapshot(bench.reconciler, prune_limit, correct, under_way, QUIET)
    task = asyncio.create_task(after_snapshot.run())
    yield after_snapshot
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a reconcile tells nobody that it is over
            await asyncio.sleep(QUIET)


async def _until_held(bench: Bench, names: set[str]) -> None:
    async with asyncio.timeout(20):
        while set(await bench.held()) != names:  # noqa: ASYNC110 - nor does the target
            await asyncio.sleep(QUIET)
