"""Rows that have not arrived though time has passed: they are delivered from the table, and that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from rowcast.core.errors import TransientError
from rowcast.core.ports import RowKey
from rowcast.sync.reconcile.schedule import Late
from rowcast.sync.reconcile.table import LateRow
from unit.sync.test_reconciler import Bench

pytestmark = pytest.mark.anyio


@dataclass
class Pages:
    """Pages of late rows, as crud gives them out."""

    pages: list[list[LateRow]] = field(default_factory=list)
    asked: list[tuple[str, float, int]] = field(default_factory=list)

    async def late(self, target: str, seconds: float, after: int = 0) -> tuple[Sequence[LateRow], bool]:
        self.asked.append((target, seconds, after))
        return self.pages[len(self.asked) - 1], len(self.asked) < len(self.pages)


def _late(row_id: int, generation: int = 1, *, deleted: bool = False) -> LateRow:
    return LateRow(row_id, generation, f"n{row_id}", "dev", deleted)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def looking(bench: Bench, source: Pages, waiting: frozenset[RowKey] = frozenset()) -> Late:
    return Late(bench.reconciler, source, "memory", waiting.__contains__)


async def test_what_is_late_is_delivered_as_the_table_has_it_and_told_even_where_nothing_changes(bench: Bench) -> None:
    bench.table.save(1, 3, "n1")
    bench.table.save(2, 1, "n2")
    bench.table.save(3, 1, "n3")
    await bench.deliver(2)
    await bench.deliver(3)
    del bench.table.rows[3]
    source = Pages([[_late(1, 2), _late(2)], [_late(3, 2, deleted=True)]])

    assert await looking(bench, source).look(30) == 0

    assert await bench.held() == {"n1": (1, 3), "n2": (2, 1)}
    assert bench.told() == [(1, 3, "created"), (2, 1, "unchanged"), (3, 2, "deleted")]
    assert source.asked == [("memory", 30, 0), ("memory", 30, 2)]


async def test_rows_that_wait_in_this_instance_are_left_to_it(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")

    await looking(bench, Pages([[_late(1)]]), frozenset({("app_configs", 1)})).look(30)

    assert await bench.held() == {}


async def test_rows_that_fail_again_are_counted_for_another_try_and_not_told_as_delivered(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")
    bench.target.refused["app_configs", 1] = TransientError("the webhook is down")

    assert await looking(bench, Pages([[_late(1)]])).look(30) == 1
    assert bench.told() == []


async def test_a_deletion_of_a_row_that_is_there_again_is_not_made(bench: Bench) -> None:
    bench.table.save(1, 5, "n1")

    await looking(bench, Pages([[_late(1, 2, deleted=True)]])).look(30)

    assert await bench.held() == {"n1": (1, 5)}
