"""Rows that wait for another try: in which order, how many at once, and what a newer state does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.row import RowKey, app_config
from rowcast.sync.intake import retries
from rowcast.sync.intake.batch import Entry
from rowcast.sync.intake.retries import FEWEST, MOST, Retries

pytestmark = pytest.mark.anyio
HANGING = "no answer from the webhook"


def row(number: int) -> RowKey:
    return app_config(number)


class Bench:
    """A queue whose clock runs only when nothing is due, so that no test waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("FIRST_SECONDS", "LONGEST_SECONDS"):
            monkeypatch.setattr(retries, name, 0.001)
        self.retries = Retries(lambda: datetime(2026, 1, 2, tzinfo=UTC))
        self.failing: dict[int, str] = {}
        self.batches: list[list[tuple[int, int]]] = []

    def hold(self, number: int, cause: str, generation: int = 1) -> None:
        self.retries.hold(row(number), (generation, False), Entry("x", (number, generation)), cause)

    async def deliver(self, entries: Sequence[Entry]) -> None:
        assert len({entry.id for entry in entries}) == len(entries)
        states: list[tuple[int, int]] = [entry.event for entry in entries]  # type: ignore[misc]
        self.batches.append(states)
        await asyncio.sleep(0)
        for number, generation in states:
            if number in self.failing:
                self.hold(number, self.failing[number], generation)
            else:
                self.retries.release(row(number), (generation, False))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.retries.run(self.deliver))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until_left(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.retries) != count:  # noqa: ASYNC110 - between two looks; the condition decides
                await asyncio.sleep(0.001)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


async def test_many_rows_with_one_cause_are_tried_by_a_few_until_some_arrive(bench: Bench) -> None:
    for number in range(2_000):
        bench.hold(number, HANGING)
        bench.failing[number] = HANGING
    async with bench.running():
        async with asyncio.timeout(20):
            while len(bench.batches) < 10:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
        assert {len(batch) for batch in bench.batches} == {FEWEST}
        # Those that failed don't keep the others from being tried.
        assert len({number for batch in bench.batches[:10] for number, _ in batch}) == 10 * FEWEST

        bench.failing.clear()
        await bench.until_left(0)
    assert max(len(batch) for batch in bench.batches) == MOST


async def test_a_row_with_a_cause_of_its_own_does_not_wait_behind_the_others(bench: Bench) -> None:
    for number in range(2_000):
        bench.hold(number, HANGING)
        bench.failing[number] = HANGING
    bench.hold(5_000, "lost a race")
    async with bench.running():
        await bench.until_left(2_000)
    assert sum(number == 5_000 for batch in bench.batches for number, _ in batch) == 1


async def test_a_newer_state_takes_the_place_of_the_one_that_waits_and_an_older_one_does_not(bench: Bench) -> None:
    bench.hold(1, HANGING, generation=2)
    bench.retries.renew(row(1), (4, False), Entry("x", (1, 4)))
    bench.hold(1, HANGING, generation=3)
    async with bench.running():
        await bench.until_left(0)
    assert bench.batches == [[(1, 4)]]


async def test_what_arrives_of_an_older_state_leaves_the_newer_one_waiting(bench: Bench) -> None:
    bench.hold(1, HANGING, generation=2)
    bench.retries.release(row(1), (1, True))
    assert len(bench.retries) == 1


async def test_more_causes_than_groups_are_all_tried(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "GROUPS", 3)
    for number in range(100):
        bench.hold(number, f"cause {number}")
    async with bench.running():
        await bench.until_left(0)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.integers(1, 6),
            st.sampled_from(["hold", "renew", "release"]),
            st.text("ab", min_size=1, max_size=1),
        ),
        max_size=40,
    )
)
def test_in_whatever_order_the_newest_state_of_each_row_waits_exactly_until_it_is_released(
    steps: list[tuple[int, int, str, str]],
) -> None:
    queue = Retries(lambda: datetime(2026, 1, 2, tzinfo=UTC))
    model: dict[int, int] = {}
    for number, generation, step, cause in steps:
        order, entry = (generation, False), Entry("x", (number, generation))
        if step == "release":
            queue.release(row(number), order)
            if model.get(number, 7) <= generation:
                del model[number]
        else:
            if step == "hold":
                queue.hold(row(number), order, entry, cause)
            else:
                queue.renew(row(number), order, entry)
            model[number] = max(generation, model.get(number, 0))
    assert {number: waiting.order[0] for number in range(1, 5) if (waiting := queue.get(row(number)))} == model
    grouped = [key for group in queue._groups.values() for key in group.rows]
    assert sorted(grouped) == sorted(row(number) for number in model)
