"""The whole table against the whole inventory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.core.events import read
from rowcast.core.plan import Held
from rowcast.core.ports import Delivered
from rowcast.core.reconcile import Comparison, HeldInventory, Kind, ReconcilePlan
from rowcast.core.render import Desired, render
from rowcast.core.row import app_config
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget
from unit.core.changes import row

NOTHING_CAME_MEANWHILE = 1_000_000
LSN = 1_000


def desired(row_id: int, generation: int, name: str, lsn: int = LSN, **fields: str) -> Desired:
    return render(read(row(row_id, generation, name, **fields), lsn))


def compared(target: MemoryTarget, table: list[Desired], lsn: int = LSN) -> ReconcilePlan:
    comparison = Comparison(asyncio.run(target.inventory()), lsn)
    for one in table:
        comparison.row(one, target.expect(one))
    return comparison.finish()


def holding(*states: Desired) -> MemoryTarget:
    target = MemoryTarget()
    asyncio.run(target.deliver(states))
    return target


def only(plan: ReconcilePlan) -> tuple[Kind, str]:
    (difference,) = plan.differences
    return difference.kind, difference.why


def test_a_target_that_holds_the_table_is_in_sync() -> None:
    table = [desired(1, 1, "a"), desired(2, 3, "b")]
    assert compared(holding(*table), table).in_sync


def test_the_same_state_delivered_from_an_earlier_event_is_in_sync() -> None:
    assert compared(holding(desired(1, 1, "a", lsn=7)), [desired(1, 1, "a")]).in_sync


@pytest.mark.parametrize(
    ("held", "kind", "why"),
    [
        ((), Kind.MISSING, "is not there"),
        ((desired(1, 1, "a"),), Kind.DIFFERENT, "generation 1 is there, the table has 2"),
        ((desired(1, 3, "a"),), Kind.DIFFERENT, "generation 3 is there, the table has 2"),
        ((desired(1, 2, "a", branch="by-hand"),), Kind.DIFFERENT, "was edited there"),
        ((desired(1, 2, "b"),), Kind.DIFFERENT, "is at dev/appconfigs/b, not at dev/appconfigs/a"),
        (
            (desired(1, 2, "a", lsn=LSN + 1),),
            Kind.DIFFERENT,
            "was delivered from a later state of the database, which has been restored since",
        ),
    ],
    ids=["missing", "behind", "ahead", "edited", "elsewhere", "of another timeline"],
)
def test_a_difference_says_what_it_is(held: tuple[Desired, ...], kind: Kind, why: str) -> None:
    assert only(compared(holding(*held), [desired(1, 2, "a")])) == (kind, why)


def test_what_the_table_does_not_have_is_orphaned() -> None:
    assert only(compared(holding(desired(1, 2, "a")), [])) == (Kind.ORPHANED, "the table has no such row")


@pytest.mark.parametrize(
    ("inventory", "prunes", "limit", "refused"),
    [
        (100, 20, None, False),
        (100, 21, None, True),
        (4, 4, None, False),
        (6, 6, None, True),
        (100, 100, 1.0, False),
        (100, 1, 0.0, True),
        (100, 0, 0.0, False),
    ],
)
def test_pruning_more_than_a_share_of_the_inventory_is_refused(
    inventory: int, prunes: int, limit: float | None, refused: bool
) -> None:
    held = [Held(f"appconfigs/n{n}", app_config(n), 1, 1) for n in range(inventory)]
    comparison = Comparison(HeldInventory(held), LSN)
    for one in held[prunes:]:
        comparison.row(desired(int(one.row.key), 1, f"n{int(one.row.key)}"), [one])
    plan = comparison.finish()

    refusal = plan.refusal(limit)

    assert (refusal is not None) is refused
    assert refusal is None or f"would prune {prunes} of {inventory} rows" in refusal


def test_a_plan_prints_its_counts_and_then_a_line_for_each_row() -> None:
    plan = compared(holding(desired(9, 1, "old"), desired(1, 1, "a")), [desired(1, 2, "a"), desired(2, 1, "b")])

    assert list(plan.lines()) == [
        "2 rows in the table, 2 at the target: 1 missing, 1 different, 1 orphaned",
        "  prune old (row appconfigs/9@1): the table has no such row",
        "  correct a (row appconfigs/1@2): generation 1 is there, the table has 2",
        "  apply b (row appconfigs/2@1): is not there",
    ]
    assert list(plan.lines(1))[2:] == ["  and 2 more"]


NAMES = ("a", "b", "c", "d")


@dataclass
class Start:
    """Any table, and any target: delivered to by whatever history, edited by whatever hand."""

    table: list[Desired]
    target: MemoryTarget = field(default_factory=MemoryTarget)


@st.composite
def starts(draw: st.DrawFn) -> Start:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    ids = draw(st.lists(st.integers(1, 5), unique=True, min_size=len(names), max_size=len(names)))
    table = [desired(row_id, draw(st.integers(1, 4)), name) for row_id, name in zip(ids, names, strict=True)]
    target = MemoryTarget(MemoryStore())
    if draw(st.booleans()):  # of another timeline, in which the rows had each other's names, or the same
        there = draw(st.permutations(names))
        later = [
            desired(int(one.row.key), one.generation, name, lsn=2 * LSN) for one, name in zip(table, there, strict=True)
        ]
        asyncio.run(target.deliver(later))
    for _ in range(draw(st.integers(0, 6))):
        one = desired(
            draw(st.integers(1, 6)),
            draw(st.integers(1, 6)),
            draw(st.sampled_from(NAMES)),
            lsn=draw(st.integers(1, 2 * LSN)),
            environment=draw(st.sampled_from(["dev", "prod"])),
            branch=draw(st.sampled_from(["main", "by-hand"])),
        )
        if draw(st.booleans()):
            one = replace(one, manifests=())
        asyncio.run(target.deliver([one]))
    return Start(table, target)


def execute(start: Start, plan: ReconcilePlan) -> None:
    """As the service does it, when nothing else goes on."""
    rows = {int(one.row.key): one for one in start.table}
    batch = []
    for difference in plan.differences:
        if difference.kind is Kind.ORPHANED:
            gone = desired(int(difference.row.key), difference.generation, difference.name)
            batch.append(replace(gone, manifests=(), authoritative=True, supersedes=NOTHING_CAME_MEANWHILE))
        else:
            lsn = max(LSN, difference.rival_lsn)
            row = rows[int(difference.row.key)]
            batch.append(replace(row, authoritative=True, supersedes=NOTHING_CAME_MEANWHILE, lsn=lsn))
    results = asyncio.run(start.target.deliver(batch))
    assert all(isinstance(result, Delivered) for result in results.values())


@given(starts())
@examples(600)
def test_a_plan_that_was_executed_leaves_the_target_as_the_table_is_whatever_the_start(start: Start) -> None:
    execute(start, compared(start.target, start.table))
    wanted = {held.key: replace(held, lsn=0) for one in start.table for held in start.target.expect(one)}
    inventory = asyncio.run(start.target.inventory())
    assert {held.key: replace(held, lsn=0) for held in inventory} == wanted
    assert all(held.lsn <= LSN for held in inventory)


@given(starts())
@examples(200)
def test_executing_a_plan_of_a_target_in_sync_does_nothing(start: Start) -> None:
    execute(start, compared(start.target, start.table))
    version = start.target.store.version

    plan = compared(start.target, start.table)
    execute(start, plan)

    assert plan.in_sync
    assert start.target.store.version == version


@given(starts())
@examples(200)
def test_news_after_a_reconcile_is_delivered_though_a_higher_generation_was_there_before(start: Start) -> None:
    execute(start, compared(start.target, start.table))
    news = [desired(int(one.row.key), one.generation + 1, one.name, lsn=2 * LSN + 1) for one in start.table]

    results = asyncio.run(start.target.deliver(news))

    assert all(isinstance(one, Delivered) and one.outcome == "configured" for one in results.values())
