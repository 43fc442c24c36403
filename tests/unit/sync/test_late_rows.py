"""Rows that have not arrived though time has passed: they are delivered from the table, and that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import decode
from rowcast.core.render import render
from rowcast.core.row import RowKey, app_config
from rowcast.sync.intake.flow import EVERYTHING, NOTHING
from rowcast.sync.reconcile.schedule import (
    FIRST_LATE_SECONDS,
    LATE_AGAIN_SECONDS,
    LATE_TOLD_SECONDS,
    Late,
    LateRows,
)
from rowcast.sync.table.rows import LateRow
from unit.core.changes import event
from unit.sync.test_reconciler import Bench

pytestmark = pytest.mark.anyio

PASSED = datetime(2026, 11, 29, tzinfo=UTC)


@dataclass
class Pages:
    """Pages of late rows, as crud gives them out."""

    pages: list[list[LateRow]] = field(default_factory=list)
    asked: list[tuple[str, float, RowKey | None]] = field(default_factory=list)
    bounds: list[tuple[float | None, datetime | None]] = field(default_factory=list)

    async def late(
        self,
        target: str,
        seconds: float,
        after: RowKey | None = None,
        within: float | None = None,
        before: datetime | None = None,
    ) -> tuple[Sequence[LateRow], bool]:
        self.asked.append((target, seconds, after))
        self.bounds.append((within, before))
        return self.pages[len(self.asked) - 1], self.more()

    def more(self) -> bool:
        return len(self.asked) < len(self.pages)


class Looks(Pages):
    """One page a look."""

    def more(self) -> bool:
        return False


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _late(row_id: int, generation: int = 1, *, deleted: bool = False) -> LateRow:
    return LateRow(app_config(row_id), generation, f"n{row_id}", "dev", deleted, "ada")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def looking(
    bench: Bench,
    source: LateRows,
    waiting: frozenset[RowKey] = frozenset(),
    passed: datetime = EVERYTHING,
    **how: Any,
) -> Late:
    return Late(bench.reconciler, source, "memory", waiting.__contains__, lambda _: passed, **how)


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
    assert source.asked == [("memory", 30, None), ("memory", 30, app_config(2))]
    for outcome in ("created", "unchanged", "deleted"):
        labels = {"target": "memory", "renderer": "appconfigs", "outcome": outcome}
        assert bench.registry.get_sample_value("rowcast_late_rows_total", labels) == 1


async def test_a_late_deletion_is_told_whatever_generation_the_target_remembers(bench: Bench) -> None:
    """A forged one, say: of a row that is gone there is nothing that it could guard."""
    await bench.target.deliver([render(decode(event("d", lsn=1, row_id=1, generation=2**60)))])

    await looking(bench, Pages([[_late(1, 2, deleted=True)]])).look(30)

    assert bench.told() == [(1, 2, "unchanged")]


async def test_rows_that_wait_in_this_instance_are_left_to_it(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")

    await looking(bench, Pages([[_late(1)]]), frozenset({app_config(1)})).look(30)

    assert await bench.held() == {}


async def test_rows_that_fail_again_are_counted_for_another_try_and_not_told_as_delivered(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")
    bench.target.refused[app_config(1)] = TransientError("the webhook is down")

    assert await looking(bench, Pages([[_late(1)]])).look(30) == 1
    assert bench.told() == []


async def test_what_the_target_refuses_for_good_is_a_dead_letter_that_can_be_replayed(bench: Bench) -> None:
    bench.table.save(1, 2, "n1", branch="refused")
    bench.target.refused[app_config(1)] = PermanentError("invalid", "spec.branch: not here")

    assert await looking(bench, Pages([[_late(1, 2)]])).look(30) == 0

    (letter,) = bench.letters
    assert {
        key: letter[key] for key in ("target", "renderer", "key", "name", "generation", "reason", "error", "position")
    } == {
        "target": "memory",
        "renderer": "appconfigs",
        "key": "1",
        "name": "n1",
        "generation": 2,
        "reason": "invalid",
        "error": "spec.branch: not here",
        "position": {},
    }
    assert bench.told() == [(1, 2, "dead-lettered")]
    bench.target.refused.clear()
    await bench.target.deliver([render(decode(letter["event"]))])
    assert await bench.held() == {"n1": (1, 2)}
    assert (await bench.run(dry_run=True)).told()["differences"] == {"missing": 0, "different": 0, "orphaned": 0}


async def test_a_deletion_that_the_target_refuses_for_good_is_a_dead_letter_too(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")
    await bench.deliver(1)
    del bench.table.rows[1]
    bench.target.refused[app_config(1)] = PermanentError("forbidden", "no")

    await looking(bench, Pages([[_late(1, 2, deleted=True)]])).look(30)

    bench.target.refused.clear()
    change = decode(bench.letters[0]["event"])
    assert (change.deleted, change.order, change.state.updated_by) == (True, (2, True), "ada")
    await bench.target.deliver([render(change)])
    assert await bench.held() == {}


async def test_a_row_whose_dead_letter_is_not_taken_is_tried_again_and_not_told_before(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")
    bench.target.refused[app_config(1)] = PermanentError("invalid", "no")
    bench.broken = True
    late = looking(bench, Pages([[_late(1)]]))

    assert await bench.reconciler.late([_late(1)]) == ({app_config(1)}, [])
    assert (bench.letters, bench.statuses, bench.left) == ([], [], [])

    bench.broken = False
    assert await late.look(30) == 0
    assert (len(bench.letters), bench.told()) == (1, [(1, 1, "dead-lettered")])


async def test_a_deletion_of_a_row_that_is_there_again_is_not_made(bench: Bench) -> None:
    bench.table.save(1, 5, "n1")

    await looking(bench, Pages([[_late(1, 2, deleted=True)]])).look(30)

    assert await bench.held() == {"n1": (1, 5)}


async def test_while_events_flow_only_what_they_have_passed_by_is_late(bench: Bench) -> None:
    mark = datetime(2026, 11, 28, 12, tzinfo=UTC)
    source = Pages([[]])

    await looking(bench, source, passed=mark).look(2.5, 180)

    assert (source.asked, source.bounds) == ([("memory", 2.5, None)], [(180, mark)])


async def test_while_nothing_is_known_of_the_flow_but_that_there_is_one_nothing_is_late(bench: Bench) -> None:
    source = Pages()

    assert await looking(bench, source, passed=NOTHING).look(2.5) is None
    assert source.asked == []


async def test_a_first_look_that_can_tell_nothing_yet_is_made_again_soon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waited in the instance before would wait a whole period more."""
    source = Looks([[], [], []])
    known = iter([NOTHING, NOTHING, EVERYTHING])
    late = Late(bench.reconciler, source, "memory", frozenset[RowKey]().__contains__, lambda _: next(known))
    pauses = Pauses()
    monkeypatch.setattr("rowcast.sync.reconcile.schedule.asyncio.sleep", pauses.sleep)
    monkeypatch.setattr("rowcast.sync.reconcile.schedule.random.uniform", lambda *_: 1.0)

    with pytest.raises(asyncio.CancelledError):
        await late.run()

    assert pauses == [FIRST_LATE_SECONDS, LATE_AGAIN_SECONDS, LATE_AGAIN_SECONDS, 60.0]
    assert source.asked == [("memory", FIRST_LATE_SECONDS, None)]


@pytest.mark.parametrize(
    ("passed", "newest", "there", "missed"),
    [
        (PASSED, NOTHING, False, [2]),
        (PASSED, NOTHING, True, []),
        (EVERYTHING, NOTHING, False, []),
        (EVERYTHING, PASSED, False, [2]),
    ],
    ids=["later events come", "only the status is missing", "no events come at all", "none comes any more"],
)
async def test_an_event_that_later_ones_have_overtaken_is_missed(
    bench: Bench, passed: datetime, newest: datetime, there: bool, missed: list[int]
) -> None:
    for row_id in (1, 2):
        bench.table.save(row_id, 1, f"n{row_id}")
        if there:
            await bench.deliver(row_id)
    signs: list[int] = []

    async def sign(messages: int) -> None:
        signs.append(messages)

    source = Looks([[_late(1), _late(2)], []])
    await looking(bench, source, passed=passed, newest=lambda: newest, on_missed=sign).look(5)

    assert signs == missed


async def test_where_events_come_one_by_one_a_backlog_is_delivered_ahead_of_them(bench: Bench) -> None:
    source = Pages([[]])

    await looking(bench, source, passed=NOTHING, ahead=True).look(2.5)

    assert source.bounds == [(None, None)]


async def test_a_status_that_is_lost_is_told_again_but_not_while_it_may_be_on_its_way(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")
    clock = Clock()
    late = looking(bench, Looks([[_late(1)]] * 5), clock=clock)
    told = []
    for pause in (0, LATE_TOLD_SECONDS / 2, LATE_TOLD_SECONDS / 2):
        clock.now += pause
        await late.look(2.5)
        told.append(bench.told())

    first, again = (1, 1, "created"), (1, 1, "unchanged")
    assert told == [[first], [first], [first, again]]


async def test_a_change_after_that_is_delivered_at_once(bench: Bench) -> None:
    bench.table.save(1, 1, "n1")
    late = looking(bench, Looks([[_late(1)], [_late(1, 2)]]))
    await late.look(2.5)
    bench.table.save(1, 2, "n1")

    await late.look(2.5)

    assert bench.told() == [(1, 1, "created"), (1, 2, "configured")]


async def test_what_fails_is_tried_again_now_and_then_and_keeps_nothing_else_waiting(bench: Bench) -> None:
    for row_id in (1, 2):
        bench.table.save(row_id, 1, f"n{row_id}")
    bench.target.refused[app_config(1)] = TransientError("the webhook is down")
    clock = Clock()
    late = looking(bench, Looks([[_late(1)], [_late(1), _late(2)], [_late(1)]]), clock=clock)
    tried = []
    for pause in (0, LATE_AGAIN_SECONDS / 2, LATE_AGAIN_SECONDS / 2):
        clock.now += pause
        tried.append(await late.look(2.5))

    assert tried == [1, 0, 1]
    assert bench.told() == [(2, 1, "created")]


async def test_what_a_person_has_changed_is_delivered_in_that_persons_name(bench: Bench) -> None:
    bench.table.save(1, 1, "n1", updated_by="grace")

    await looking(bench, Pages([[_late(1)]])).look(2.5)

    (stored,) = bench.target.store.objects.values()
    assert stored.manifest.body["metadata"]["annotations"]["rowcast.dev/updated-by"] == "grace"


class Pauses(list[float]):
    """What the look waits for, without waiting; the first that is one too many ends it."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)
        if len(self) > 3:
            raise asyncio.CancelledError


@dataclass
class Slow(Looks):
    """Each answer takes its time."""

    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0

    async def late(
        self,
        target: str,
        seconds: float,
        after: RowKey | None = None,
        within: float | None = None,
        before: datetime | None = None,
    ) -> tuple[Sequence[LateRow], bool]:
        self.clock.now += self.seconds
        return await super().late(target, seconds, after, within, before)


@pytest.mark.parametrize(("asking", "pause"), [(0.01, 5.0), (2.0, 20.0)])
async def test_a_look_takes_no_more_than_a_tenth_of_the_databases_time_and_delivering_is_no_part_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, asking: float, pause: float
) -> None:
    source = Slow([[_late(1)]] * 3, seconds=asking)

    async def takes_long(rows: Sequence[LateRow]) -> tuple[set[RowKey], list[str | None]]:
        source.clock.now += 8
        return set(), []

    monkeypatch.setattr(bench.reconciler, "late", takes_long)
    pauses = Pauses()
    monkeypatch.setattr("rowcast.sync.reconcile.schedule.asyncio.sleep", pauses.sleep)
    monkeypatch.setattr("rowcast.sync.reconcile.schedule.random.uniform", lambda *_: 1.0)
    with pytest.raises(asyncio.CancelledError):
        await looking(bench, source, seconds=5, clock=source.clock).run()

    assert pauses == [5, pytest.approx(pause), pytest.approx(pause), pytest.approx(pause)]
    assert [within for within, _ in source.bounds] == [None, 180, 180], "the first look is at all rows"
