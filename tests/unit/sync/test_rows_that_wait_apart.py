"""Rows that want each other's names and are never tried together: each waits in an instance, or in a batch, of its own.

Nothing but the table can tell then that the other one has let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from contract.targets.readable import Rows
from contract.targets.test_rows_of_any_table import config, row
from examples import examples
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Tombstones
from rowcast.core.ports import Delivered, Failed, Result, is_claimed
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.status.report import Topics
from rowcast.sync.table.rows import LateRow
from rowcast.sync.table.settling import Settling
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget
from unit.core.test_claims import histories

pytestmark = pytest.mark.anyio


class Place:
    """One store, and as many instances over it as are asked for: each remembers its own deletions."""

    def __init__(self) -> None:
        self.objects = MemoryStore().objects

    def target(self) -> MemoryTarget:
        return MemoryTarget(MemoryStore(objects=self.objects, tombstones=Tombstones()))

    def names(self) -> dict[str, str]:
        """Whose each name is."""
        held = [stored.held for stored in self.objects.values() if stored.held is not None]
        return {one.key.rpartition("/")[2]: one.row.key for one in held}


class Told:
    """What was published of rows."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = []

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.statuses += data["statuses"]


@pytest.fixture
def place() -> Place:
    return Place()


def named(key: str, generation: int, name: str) -> Desired:
    return row(key, generation, config(name, x=key))


def again(*rows: Desired) -> list[Desired]:
    return [replace(one, again=True) for one in rows]


def outcomes(results: dict[RowKey, Result]) -> dict[str, object]:
    return {key.key: one.outcome if isinstance(one, Delivered) else str(one.error) for key, one in results.items()}


@pytest.mark.parametrize("length", [2, 3, 7])
async def test_a_ring_of_rows_each_waiting_in_an_instance_of_its_own_gets_there(place: Place, length: int) -> None:
    keys = [str(number) for number in range(length)]
    await place.target().deliver([named(key, 1, f"name-{key}") for key in keys])
    moved = [named(key, 2, f"name-{other}") for key, other in zip(keys, [*keys[1:], keys[0]], strict=True)]
    table = Rows(moved)
    instances = [Hindsight(place.target(), table) for _ in keys]

    for instance, one in zip(instances, moved, strict=True):
        (result,) = (await instance.deliver([one])).values()
        assert is_claimed(result), "an event that has just come holds up nobody while others are looked for"
    results: dict[RowKey, Result] = {}
    for instance, one in zip(instances, moved, strict=True):
        results |= await instance.deliver(again(one))

    assert set(outcomes(results).values()) <= {Outcome.CONFIGURED, Outcome.UNCHANGED}
    assert place.names() == {f"name-{other}": key for key, other in zip(keys, [*keys[1:], keys[0]], strict=True)}


async def test_what_a_late_row_wants_is_asked_for_too(place: Place) -> None:
    """The instance in which one of the two waited has ended."""
    await place.target().deliver([named("1", 1, "a"), named("2", 1, "b")])
    table = Rows([named("1", 2, "b"), named("2", 2, "a")])

    late = [LateRow(RowKey("tenants", "2"), 2, "b", "dev", deleted=False, actor="ann")]
    settled = await Settling(place.target(), table).late(late)

    assert place.names() == {"a": "2", "b": "1"}
    assert {one.key for one in settled.results} == {"1", "2"}
    assert {desired.actor for desired, _ in settled.results.values()} == {"ann"}


async def test_a_row_that_is_brought_in_does_not_count_as_one_whose_event_was_missed(place: Place) -> None:
    await place.target().deliver([named("1", 1, "a"), named("2", 1, "b")])
    moved = [replace(named(*row), saved_at="2026-11-29T00:00:00+00:00") for row in (("1", 2, "b"), ("2", 2, "a"))]
    told = Told()
    metrics = ReconcileMetrics("memory", CollectorRegistry())
    reconciler = Reconciler(place.target(), Rows(moved), told, Topics("status", "letters"), metrics)

    again, missed = await reconciler.late([LateRow(RowKey("tenants", "2"), 2, "b", "dev", deleted=False, actor="ann")])

    assert (again, missed) == (set(), ["2026-11-29T00:00:00+00:00"])
    assert {status["key"] for status in told.statuses} == {"1", "2"}


async def test_what_a_row_still_wants_is_not_taken_and_nothing_is_told_of_that(place: Place) -> None:
    await place.target().deliver([named("1", 1, "a")])
    wants = named("2", 1, "a")
    table = Rows([named("1", 1, "a"), wants])

    settled = await Settling(place.target(), table).waiting([wants])

    assert place.names() == {"a": "1"}
    assert outcomes({row: result for row, (_, result) in settled.results.items()}) == {
        "2": "dev//ConfigMap//a is of row tenants/1, which has to let go of it first"
    }


async def test_a_row_whose_event_the_table_does_not_show_yet_goes_on_waiting(place: Place) -> None:
    await place.target().deliver([named("1", 1, "a"), named("2", 1, "b")])
    instance = Hindsight(place.target(), Rows([named("1", 1, "a"), named("2", 2, "a")]))

    (result,) = (await instance.deliver(again(named("1", 2, "b")))).values()

    assert is_claimed(result)
    assert place.names() == {"a": "1", "b": "2"}


async def test_a_row_that_is_gone_waits_no_more(place: Place) -> None:
    await place.target().deliver([named("1", 1, "a")])
    instance = Hindsight(place.target(), Rows([named("1", 1, "a")]))

    assert outcomes(dict(await instance.deliver(again(named("2", 1, "a"))))) == {"2": Outcome.STALE}


async def test_rows_wait_while_the_table_cannot_be_asked(place: Place) -> None:
    await place.target().deliver([named("1", 1, "a"), named("2", 1, "b")])
    moved = [named("1", 2, "b"), named("2", 2, "a")]
    table = Rows(moved)
    instance = Hindsight(place.target(), table)
    assert is_claimed(next(iter((await instance.deliver(moved[:1])).values())))
    table.away = "crud is away"

    (result,) = (await instance.deliver(again(moved[0]))).values()

    assert isinstance(result, Failed)
    assert isinstance(result.error, TransientError)
    table.away = None
    await instance.deliver(again(moved[0]))
    assert place.names() == {"a": "2", "b": "1"}


async def test_what_is_gone_when_the_table_cannot_be_asked_after_the_delivery_goes_with_the_next_try(
    place: Place,
) -> None:
    await place.target().deliver([named("1", 1, "a"), named("2", 1, "b")])
    moved = [named("1", 2, "b"), named("2", 2, "a")]
    table = Rows(moved)

    class Leaving(MemoryTarget):
        async def deliver(self, batch: Sequence[Desired]) -> dict[RowKey, Result]:
            results = {**await super().deliver(batch)}
            if len(batch) == 2:
                table.away = "crud is away"
            return results

    instance = Hindsight(Leaving(place.target().store), table)
    await instance.deliver(again(moved[0]))
    assert place.names() == {"a": "2", "b": "1"}
    table.away = None
    del table.rows[RowKey("tenants", "1")]

    await instance.deliver(again(moved[0]))

    assert place.names() == {"a": "2"}


async def test_a_row_that_is_deleted_while_it_is_brought_in_does_not_come_back(place: Place) -> None:
    first = place.target()
    await first.deliver([named("1", 1, "a"), named("2", 1, "b")])
    table = Rows([named("1", 2, "b"), named("2", 2, "a")])

    class Deleting(MemoryTarget):
        async def deliver(self, batch: Sequence[Desired]) -> dict[RowKey, Result]:
            if any(one.row.key == "2" for one in batch):
                table.rows.pop(RowKey("tenants", "2"), None)
            return {**await super().deliver(batch)}

    await Settling(Deleting(first.store), table).waiting([table.rows[RowKey("tenants", "1")]])

    assert place.names() == {"b": "1"}


@examples(300)
@given(histories(), st.lists(st.integers(0, 1), min_size=40, max_size=40))
def test_however_events_come_to_two_instances_each_row_has_the_name_that_the_table_gives_it(
    history: tuple[dict[str, str], list[list[Desired]]], turns: list[int]
) -> None:
    final, batches = history
    newest = {one.row: one for one in sorted(chain(*batches), key=lambda one: one.generation)}

    async def play() -> dict[str, str]:
        place = Place()
        table = Rows(one for one in newest.values() if not one.deleted)
        instances = [Hindsight(place.target(), table) for _ in range(2)]
        waiting: list[dict[RowKey, Desired]] = [{}, {}]
        for batch, turn in zip([batch for batch in batches if batch], turns, strict=False):
            results = await instances[turn].deliver(batch)
            waiting[turn] |= {one.row: one for one in batch if is_claimed(results[one.row])}
        for _ in newest:
            for instance, rows in zip(instances, waiting, strict=True):
                for one in list(rows.values()):  # each alone
                    if not is_claimed((await instance.deliver(again(one)))[one.row]):
                        del rows[one.row]
        assert waiting == [{}, {}]
        return place.names()

    assert asyncio.run(play()) == final
