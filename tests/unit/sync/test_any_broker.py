"""Two instances that share one subscription, with a broker that keeps no order: whatever comes to whichever of them.

Each event comes at least once, early or late, alone or with others, to one instance or the other. When all have come,
the target is as the table, without a reconcile; and what is gone from the table is never made anew by an event that the
row's end has overtaken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from examples import examples
from rowcast.core.plan import Plan, Tombstones, latest
from rowcast.core.ports import Delivered
from rowcast.core.render import Desired, render
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.table.rows import LateRow
from rowcast.sync.table.settling import Settling
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget
from table_model import ENVIRONMENTS
from unit.sync.test_any_order import Database, run

INSTANCES = 2
instances = st.integers(0, INSTANCES - 1)
SAVED_AT = datetime(2026, 11, 22, 15, 42, 27, 284_000, UTC)
"""When all events of the model were saved."""
LATER = datetime(2026, 11, 22, 15, 43, 27, tzinfo=UTC)


class Watched(MemoryTarget):
    """Notes rows that were made where there was nothing of them."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.made: list[int] = []

    def _execute(self, desired: Desired, decided: Plan) -> None:
        if decided.put and not self.known(desired.row):
            self.made.append(int(desired.row.key))
        super()._execute(desired, decided)


class AnyBroker(RuleBasedStateMachine):
    """Each rule is something that happens in a running platform."""

    @initialize(late=st.booleans())
    def start(self, late: bool) -> None:
        self.database = Database()
        self.objects = MemoryStore().objects
        self.late = late
        self.instances = [self._started(0) for _ in range(INSTANCES)]
        self.on_their_way: set[int] = set()

    def _started(self, began: int | None) -> tuple[Watched, Hindsight]:
        """A process of its own over the one place: it remembers nothing."""
        target = Watched(MemoryStore(objects=self.objects, tombstones=Tombstones()))
        hindsight = Hindsight(target, self.database, clock=lambda: LATER if self.late else SAVED_AT)
        hindsight._began = began
        return target, hindsight

    @precondition(lambda self: self.database.free())
    @rule(data=st.data())
    def create(self, data: st.DataObject) -> None:
        self.database.create(data.draw(st.sampled_from(self.database.free())))
        self._sent()

    @precondition(lambda self: self.database.rows)
    @rule(data=st.data(), environment=st.sampled_from(ENVIRONMENTS))
    def update(self, data: st.DataObject, environment: str) -> None:
        self.database.change(self._some_row(data), environment=environment)
        self._sent()

    @precondition(lambda self: self.database.rows and self.database.free())
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        row_id = self._some_row(data)
        self.database.change(row_id, name=data.draw(st.sampled_from(self.database.free())))
        self._sent()

    @precondition(lambda self: len(self.database.rows) > 1)
    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        one, other = data.draw(st.permutations(sorted(self.database.rows)))[:2]
        its, others = self.database.rows[one].name, self.database.rows[other].name
        self.database.change(one, name=others)
        self.database.change(other, name=its)
        self._sent()

    @precondition(lambda self: self.database.rows)
    @rule(data=st.data(), anew=st.booleans())
    def delete(self, data: st.DataObject, anew: bool) -> None:
        row_id = self._some_row(data)
        name = self.database.rows[row_id].name
        self.database.delete(row_id)
        if anew:
            self.database.create(name)
        self._sent()

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data(), which=instances)
    def events_arrive(self, data: st.DataObject, which: int) -> None:
        some = st.lists(st.sampled_from(sorted(self.on_their_way)), min_size=1, max_size=4, unique=True)
        self._deliver(which, data.draw(some))

    @precondition(lambda self: self.database.log)
    @rule(data=st.data(), which=instances)
    def events_arrive_once_more(self, data: st.DataObject, which: int) -> None:
        some = st.lists(st.integers(0, len(self.database.log) - 1), min_size=1, max_size=4)
        self._deliver(which, data.draw(some))

    @rule(which=instances)
    def an_instance_starts_again(self, which: int) -> None:
        self.instances[which] = self._started(None)

    @precondition(lambda self: self.database.log)
    @rule(data=st.data(), which=instances)
    def a_row_is_looked_after(self, data: st.DataObject, which: int) -> None:
        """Ahead of its event, which may then come or not."""
        last = {int(change.row.key): render(change) for change in self.database.log}
        one = last[row_id := data.draw(st.sampled_from(sorted(last)))]
        gone = row_id not in self.database.rows
        late = LateRow(one.row, one.generation, one.name, one.environment, gone, "ada")
        run(Settling(self.instances[which][0], self.database).late([late]))

    @invariant()
    def what_is_gone_is_not_made_anew(self) -> None:
        for target, _ in getattr(self, "instances", ()):
            if self.late:
                assert self.database.rows.keys() >= set(target.made), "its end overtook the event that was believed"
            target.made.clear()

    def teardown(self) -> None:
        if not hasattr(self, "instances"):
            return
        for number in sorted(self.on_their_way, key=lambda one: (one * 7) % 5):
            self._deliver(number % INSTANCES, [number])
        rows = self.database.rows.values()
        wanted = {f"{one.environment}/appconfigs/{one.name}": (one.id, one.generation) for one in rows}
        there = {place: (int(one.held.row.key), one.held.generation) for place, one in self.objects.items() if one.held}
        assert there == wanted

    def _sent(self) -> None:
        known = len(self.database.log)
        self.on_their_way |= set(range(getattr(self, "_seen", 0), known))
        self._seen = known

    def _deliver(self, which: int, numbers: Sequence[int]) -> None:
        wanted = [render(change) for change in latest(self.database.log[number] for number in numbers).values()]
        before = {int(stored.held.row.key) for stored in self.objects.values() if stored.held}
        results = run(self.instances[which][1].deliver(wanted))
        # One whose place another row of the batch has taken, and that goes on at its next, was there all along.
        made = self.instances[which][0].made
        made[:] = [row for row in made if row not in before]
        assert all(isinstance(result, Delivered) for result in results.values())
        self.on_their_way -= set(numbers)
        # A row that was made by its event and is gone meanwhile was taken away again before the event counted.
        gone = {int(one.row.key) for one in wanted} - self.database.rows.keys()
        held = {int(stored.held.row.key) for stored in self.objects.values() if stored.held}
        new = set(self.instances[which][0].made)
        assert not gone & held & new

    def _some_row(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.database.rows)))


AnyBroker.TestCase.settings = examples(150, stateful_step_count=30)

TestAnyBroker = AnyBroker.TestCase
