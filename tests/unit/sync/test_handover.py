"""Rows that move from one instance's environments to another's: at no moment they are nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contract.targets.rows import deleted, saved
from examples import examples
from rowcast.core.errors import TransientError
from rowcast.core.moves import Reported, Whereabouts
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News, Target
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, app_config
from rowcast.sync.environments.routing import Routing
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget

pytestmark = pytest.mark.anyio
T = TypeVar("T")
SERVED = {"k8s": "dev", "git": "prod"}
instances = st.sampled_from(sorted(SERVED))
environments = st.sampled_from(["dev", "prod", "nowhere"])
MOST_ROWS = 2


class Crud:
    """The table, and what the instances have reported."""

    def __init__(self) -> None:
        self.rows: dict[RowKey, Desired] = {}
        self.reported: dict[tuple[RowKey, str], Reported] = {}
        self.down = False

    async def whereabouts(self, rows: Collection[RowKey]) -> Mapping[RowKey, Whereabouts]:
        if self.down:
            raise TransientError("crud is away")
        return {
            row_id: Whereabouts(
                row.environment, row.generation, {target: self.reported.get((row_id, target)) for target in SERVED}
            )
            for row_id, row in self.rows.items()
            if row_id in rows
        }


class Instance:
    """One of them, over a place that outlives it."""

    def __init__(self, name: str, crud: Crud, *, start: bool = True) -> None:
        self.name = name
        self.crud = crud
        self.store = MemoryStore()
        self.events: list[Desired] = []
        self.seen: list[Desired] = []
        self.results: list[Delivered] = []
        self.told: list[News] = []
        self.routing = self.made()
        if start:
            self.begin()

    def begin(self) -> None:
        """Its own looking ends with the loop of this step: it looks when it is told to."""
        self.routing = self.made()
        self.routing.tell(self.told.extend)
        run(self.routing.start())

    def made(self) -> Routing:
        async def make() -> Target:
            return MemoryTarget(self.store)

        route: Callable[[str], str | None] = {SERVED[self.name]: "*"}.get
        made: Mapping[str, Callable[[], Awaitable[Target]]] = {"*": make}
        return Routing(self.name, made, route, self.crud)

    def save(self, desired: Desired) -> None:
        """A change that comes at once."""
        self.crud.rows[desired.row] = desired
        self.deliver(desired)

    def deliver(self, desired: Desired) -> None:
        (result,) = run(self.routing.deliver([desired])).values()
        assert isinstance(result, Delivered)
        self.results.append(result)
        known = self.crud.reported.get((desired.row, self.name))
        if result.outcome is not Outcome.STALE and (known is None or known.generation <= desired.generation):
            told = Reported(desired.generation, desired.deleted, str(result.outcome), result.stage)
            self.crud.reported[desired.row, self.name] = told

    def deliver_next(self) -> None:
        if self.events:
            self.seen.append(self.events[0])
            self.deliver(self.events.pop(0))

    def look(self) -> None:
        assert self.routing._departures is not None
        run(self.routing._departures.look())

    def has(self, row_id: RowKey) -> bool:
        return any(stored.held and stored.held.row == row_id for stored in self.store.objects.values())


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Moves(RuleBasedStateMachine):
    """Events come to each instance in their order, and to both at their own pace."""

    def __init__(self) -> None:
        super().__init__()
        self.crud = Crud()
        self.instances = {name: Instance(name, self.crud) for name in SERVED}
        self.arrived: set[RowKey] = set()
        self.newest = 0

    def save(self, desired: Desired) -> None:
        for instance in self.instances.values():
            instance.events.append(desired)

    @precondition(lambda self: len(self.crud.rows) < MOST_ROWS)
    @rule(environment=environments)
    def create(self, environment: str) -> None:
        self.newest += 1
        self.change(saved(self.newest, 1, f"r{self.newest}", environment=environment))

    @precondition(lambda self: self.crud.rows)
    @rule(data=st.data(), environment=environments)
    def move(self, data: st.DataObject, environment: str) -> None:
        before = self.crud.rows[data.draw(st.sampled_from(sorted(self.crud.rows)))]
        self.change(saved(int(before.row.key), before.generation + 1, before.name, environment=environment))

    def change(self, desired: Desired) -> None:
        self.crud.rows[desired.row] = desired
        self.save(desired)
        if desired.environment not in SERVED.values():
            self.arrived.discard(desired.row)

    @precondition(lambda self: self.crud.rows)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        row = self.crud.rows.pop(data.draw(st.sampled_from(sorted(self.crud.rows))))
        self.save(deleted(int(row.row.key), row.generation + 1, row.name, environment=row.environment))
        self.arrived.discard(row.row)

    @rule(name=instances, count=st.integers(1, 4))
    def deliver(self, name: str, count: int) -> None:
        for _ in range(count):
            self.instances[name].deliver_next()
            self.no_row_is_nowhere()

    @rule(name=instances, data=st.data())
    def deliver_again(self, name: str, data: st.DataObject) -> None:
        instance = self.instances[name]
        if instance.seen:
            instance.deliver(data.draw(st.sampled_from(instance.seen[-3:])))

    @rule(name=instances)
    def look(self, name: str) -> None:
        self.instances[name].look()

    @rule(name=instances)
    def restart_and_reconcile(self, name: str) -> None:
        instance = self.instances[name]
        instance.begin()
        # Until the events that wait are there, a reconcile leaves rows alone that have them.
        waiting = {event.row for event in instance.events}
        for row_id, row in self.crud.rows.items():
            if row_id not in waiting:
                instance.deliver(replace(row, authoritative=True, supersedes=row.generation))

    @invariant()
    def no_row_is_nowhere(self) -> None:
        there = {row_id for row_id in self.crud.rows if any(one.has(row_id) for one in self.instances.values())}
        assert self.arrived <= there
        served = {row_id for row_id in there if self._stays_served(row_id)}
        self.arrived |= served

    def _stays_served(self, row_id: RowKey) -> bool:
        """Whether none of its states that are still under way is delivered by nobody, or ends it."""
        states = [self.crud.rows[row_id], *(e for one in self.instances.values() for e in one.events)]
        its = [state for state in states if state.row == row_id]
        return all(not state.deleted and state.environment in SERVED.values() for state in its)

    def teardown(self) -> None:
        for instance in self.instances.values():
            while instance.events:
                instance.deliver_next()
        for _ in range(2):
            for instance in self.instances.values():
                instance.look()
        for name, instance in self.instances.items():
            wanted = {row_id for row_id, row in self.crud.rows.items() if row.environment == SERVED[name]}
            assert {row_id for row_id in map(app_config, range(self.newest + 1)) if instance.has(row_id)} == wanted


@pytest.fixture
def k8s() -> Instance:
    """An instance that has row 1, which moves on to `git`."""
    crud = Crud()
    k8s = Instance("k8s", crud)
    k8s.save(saved(1, 1, "a", environment="dev"))
    k8s.save(saved(1, 2, "a", environment="prod"))
    return k8s


def test_a_row_stays_until_the_other_target_has_it(k8s: Instance) -> None:
    k8s.look()
    assert k8s.has(app_config(1))
    assert k8s.results[-1] == Delivered(Outcome.ELSEWHERE)
    assert "stays until it has arrived there" in (k8s.results[-1].trouble or "")

    k8s.crud.reported[app_config(1), "git"] = Reported(2, False, "created", None)
    k8s.look()

    assert not k8s.has(app_config(1))
    assert [(one.row, one.generation, one.deleted, one.result.trouble) for one in k8s.told] == [
        (app_config(1), 2, False, None)
    ]


def test_a_late_event_neither_keeps_it_nor_brings_it_back(k8s: Instance) -> None:
    late = saved(1, 1, "a", environment="dev")
    k8s.deliver(late)
    k8s.crud.reported[app_config(1), "git"] = Reported(2, False, "created", None)
    k8s.look()
    k8s.deliver(late)
    assert [one.outcome for one in k8s.results[-2:]] == [Outcome.STALE, Outcome.STALE]
    assert not k8s.has(app_config(1))


def test_a_row_that_comes_back_is_waited_for_no_more(k8s: Instance) -> None:
    k8s.save(saved(1, 3, "a", environment="dev"))
    k8s.crud.reported[app_config(1), "git"] = Reported(2, False, "created", None)
    k8s.look()
    assert k8s.has(app_config(1))


def test_a_row_that_is_deleted_meanwhile_goes_at_once(k8s: Instance) -> None:
    k8s.deliver(deleted(1, 3, "a", environment="prod"))
    assert not k8s.has(app_config(1))
    assert k8s.results[-1].outcome is Outcome.DELETED


def test_a_row_waits_while_crud_cannot_be_asked(k8s: Instance) -> None:
    k8s.crud.down = True
    with pytest.raises(TransientError):
        k8s.look()
    assert k8s.has(app_config(1))


async def test_it_looks_by_itself() -> None:
    k8s = Instance("k8s", Crud(), start=False)
    await k8s.routing.start()
    await k8s.routing.deliver([saved(1, 1, "a", environment="dev")])
    k8s.crud.rows[app_config(1)] = saved(1, 2, "a", environment="prod")
    await k8s.routing.deliver([k8s.crud.rows[app_config(1)]])
    gone = asyncio.Event()
    k8s.routing.tell(lambda _news: gone.set())

    k8s.crud.reported[app_config(1), "git"] = Reported(2, False, "unchanged", "healthy")

    await asyncio.wait_for(gone.wait(), 20)
    assert not k8s.has(app_config(1))
    await k8s.routing.close()


TestMoves = Moves.TestCase
TestMoves.settings = examples(300, stateful_step_count=50)
