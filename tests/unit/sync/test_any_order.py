"""A table that changes, and events of it that come in any order, twice, late or never, to two instances of one target.

What must hold at every step: no row's generation goes backwards at the target, a row has one object at most, and an
instance that has seen a row's deletion brings it back no more. In the end a reconcile finds nothing it can't put right;
and where every event has come, to one instance that was not restarted, it finds nothing at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from examples import examples
from rowcast.core.events import read
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Tombstones, latest
from rowcast.core.ports import Delivered
from rowcast.core.reconcile import Comparison, Difference
from rowcast.core.render import Desired, render
from rowcast.core.row import RowKey, app_config
from rowcast.sync.table.rows import Snapshot
from rowcast.sync.table.settling import Settling
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget, Stored
from table_model import ENVIRONMENTS, Row, Table
from unit.core.changes import row

T = TypeVar("T")
instances = st.integers(0, 1)


class Database(Table):
    """The model, as a reconcile reads it."""

    @asynccontextmanager
    async def snapshot(self, wanted: Sequence[RowKey] = ()) -> AsyncIterator[Snapshot]:
        found = [self._desired(one) for one in self.rows.values() if not wanted or app_config(one.id) in wanted]

        async def rows() -> AsyncIterator[Desired]:
            for one in found:
                yield one

        yield Snapshot(self.lsn, len(found), rows())

    def _desired(self, one: Row) -> Desired:
        return render(read(row(**one.fields), self.lsn))


class AnyOrder(RuleBasedStateMachine):
    """Each rule is something that happens in a running platform."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database()
        self.objects = MemoryStore().objects
        self.targets = [self._started(), self._started()]
        self.arrived: set[int] = set()
        self.buried: list[set[int]] = [set(), set()]
        self.newest: dict[int, int] = {}
        self.plans: list[Sequence[Difference]] = []
        self.blind = False

    def _started(self) -> MemoryTarget:
        """A process of its own over the one place: it knows what is there, and no deletion."""
        return MemoryTarget(MemoryStore(objects=self.objects, tombstones=Tombstones()))

    @precondition(lambda self: self.database.free())
    @rule(data=st.data())
    def create(self, data: st.DataObject) -> None:
        self.database.create(data.draw(st.sampled_from(self.database.free())))

    @precondition(lambda self: self.database.rows)
    @rule(data=st.data(), environment=st.sampled_from(ENVIRONMENTS))
    def update(self, data: st.DataObject, environment: str) -> None:
        self.database.change(self._some_row(data), environment=environment)

    @precondition(lambda self: self.database.rows and self.database.free())
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        row_id = self._some_row(data)
        self.database.change(row_id, name=data.draw(st.sampled_from(self.database.free())))

    @precondition(lambda self: len(self.database.rows) > 1)
    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        one, other = data.draw(st.permutations(sorted(self.database.rows)))[:2]
        its, others = self.database.rows[one].name, self.database.rows[other].name
        self.database.change(one, name=others)
        self.database.change(other, name=its)

    @precondition(lambda self: self.database.rows)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.database.delete(self._some_row(data))

    @precondition(lambda self: self.database.rows)
    @rule(data=st.data())
    def create_anew(self, data: st.DataObject) -> None:
        row_id = self._some_row(data)
        name = self.database.rows[row_id].name
        self.database.delete(row_id)
        self.database.create(name)

    @precondition(lambda self: self.database.log)
    @rule(data=st.data(), which=instances)
    def events_arrive(self, data: st.DataObject, which: int) -> None:
        """Any of them, as often and in whatever order; what never arrives is lost."""
        numbers = data.draw(st.lists(st.integers(0, len(self.database.log) - 1), min_size=1, max_size=6))
        self._deliver(which, numbers)

    @rule(which=instances)
    def everything_is_replayed(self, which: int) -> None:
        self._deliver(which, range(len(self.database.log)))

    @rule(which=instances)
    def an_instance_starts_again(self, which: int) -> None:
        """What has gone before it came it doesn't know: that a late event can bring back (decision 1)."""
        self.targets[which] = self._started()
        self.buried[which].clear()
        self.blind = True
        held = self._held()
        self.newest = {row_id: newest for row_id, newest in self.newest.items() if row_id in held}

    @rule(which=instances)
    def a_reconcile_reads(self, which: int) -> None:
        """The inventory, then the table; other things may happen before it acts."""
        self.plans.append(run(self._compared(which)))

    @precondition(lambda self: self.plans)
    @rule(which=instances)
    def a_reconcile_acts(self, which: int) -> None:
        before = dict(self.objects)
        run(Settling(self.targets[which], self.database).differences(self.plans.pop(0)))
        self._watched(before)

    @invariant()
    def no_generation_goes_backwards(self) -> None:
        for row_id, generation in self._held().items():
            assert generation >= self.newest.get(row_id, 0), f"row {row_id} is at {generation} again"
            self.newest[row_id] = generation

    @invariant()
    def a_row_has_one_object_at_most(self) -> None:
        rows = Counter(int(stored.held.row.key) for stored in self.objects.values() if stored.held)
        assert not [row_id for row_id, count in rows.items() if count > 1]

    def teardown(self) -> None:
        one = self.targets[0]
        if not self.blind:
            self._deliver(0, [n for n in range(len(self.database.log)) if n not in self.arrived])
            assert self._places() == self._wanted(), "after every event, without a reconcile"
        self._deliver(0, range(len(self.database.log)))
        run(Settling(one, self.database).differences(run(self._compared(0))))
        assert self._places() == self._wanted(), "after a reconcile"
        assert not run(self._compared(1))

    def _deliver(self, which: int, numbers: Sequence[int]) -> None:
        before, objects = self._held(), dict(self.objects)
        changes = [self.database.log[number] for number in numbers]
        wanted = [render(change) for change in latest(changes).values()]
        results = run(self.targets[which].deliver(wanted))
        assert all(isinstance(result, Delivered) for result in results.values())
        self._watched(objects)
        self.arrived.update(numbers)
        self.blind = self.blind or which > 0
        back = (self._held().keys() - before.keys()) & self.buried[which]
        assert not back, f"rows {back} came back to an instance that had seen them deleted"
        self.buried[which] |= {
            int(one.row.key)
            for one in wanted
            if one.deleted and getattr(results[one.row], "outcome", None) is not Outcome.STALE
        }

    def _watched(self, before: dict[str, Stored]) -> None:
        """Each instance watches the place, and so learns what another one has deleted or overwritten."""
        for place, stored in before.items():
            now = self.objects.get(place)
            gone = stored.held
            if gone is not None and (now is None or now.held is None or int(now.held.row.key) != int(gone.row.key)):
                for target in self.targets:
                    target.store.tombstones.bury(gone.row, gone.generation)

    async def _compared(self, which: int) -> Sequence[Difference]:
        inventory = await self.targets[which].inventory()
        async with self.database.snapshot() as snapshot:
            comparison = Comparison(inventory, snapshot.lsn)
            async for desired in snapshot.rows:
                comparison.row(desired, self.targets[which].expect(desired))
        return comparison.finish().differences

    def _some_row(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.database.rows)))

    def _held(self) -> dict[int, int]:
        held = [stored.held for stored in self.objects.values() if stored.held]
        return {
            int(one.row.key): max(other.generation for other in held if int(other.row.key) == int(one.row.key))
            for one in held
        }

    def _places(self) -> dict[str, tuple[int, int]]:
        return {place: (int(one.held.row.key), one.held.generation) for place, one in self.objects.items() if one.held}

    def _wanted(self) -> dict[str, tuple[int, int]]:
        rows = self.database.rows.values()
        return {f"{one.environment}/appconfigs/{one.name}": (one.id, one.generation) for one in rows}


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


AnyOrder.TestCase.settings = examples(100, stateful_step_count=30)

TestAnyOrder = AnyOrder.TestCase
