"""However events are repeated, delayed and interleaved, the target ends as the table does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.places import Git, Memory, Place, PullRequests, Routed
from rowcast.core.events import Change
from rowcast.core.plan import latest
from rowcast.core.ports import Delivered
from rowcast.core.render import render
from rowcast_local.platform import Platform
from table_model import ENVIRONMENTS, NAMES, Row, Table


class Statements(Table):
    """The model, for any statements: what the database would refuse does nothing."""

    def insert(self, name: str, environment: str) -> None:
        if name in self.free():
            self.create(name, environment)

    def update(self, which: int, name: str, environment: str) -> None:
        row = self._pick(which)
        if row is not None and name in (row.name, *self.free()):
            self.change(row.id, name=name, environment=environment)

    def remove(self, which: int) -> None:
        """As crud does it: who deletes the row is saved before it goes."""
        row = self._pick(which)
        if row is not None:
            self.change(row.id)
            self.delete(row.id)

    def state(self) -> dict[str, tuple[int, int, str]]:
        return {row.name: (row.id, row.generation, row.environment) for row in self.rows.values()}

    def _pick(self, which: int) -> Row | None:
        rows = list(self.rows.values())
        return rows[which % len(rows)] if rows else None


names, environments, rows = st.sampled_from(NAMES), st.sampled_from(ENVIRONMENTS), st.integers(0, 2)
statements = st.one_of(
    st.tuples(st.just("insert"), names, environments),
    st.tuples(st.just("update"), rows, names, environments),
    st.tuples(st.just("remove"), rows),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Statements, list[list[Change]]]:
    """A table's history, and its events as they arrive: each at least once, in any order and in any batches."""
    table = Statements()
    for statement, *arguments in draw(st.lists(statements, min_size=1, max_size=14)):
        getattr(table, statement)(*arguments)
    repeated = draw(st.lists(st.sampled_from(table.log), max_size=8)) if table.log else []
    arrivals = draw(st.permutations([*table.log, *repeated]))
    batches: list[list[Change]] = [[]]
    for event in arrivals:
        batches[-1].append(event)
        if draw(st.booleans()):
            batches.append([])
    return table, batches


async def play(place: Place, batches: Sequence[Sequence[Change]]) -> None:
    target = place.target()
    await target.start()
    try:
        for batch in batches:
            results = await target.deliver([render(event) for event in latest(batch).values()])
            assert all(isinstance(result, Delivered) for result in results.values()), results
    finally:
        await target.close()


def state(place: Place) -> dict[str, tuple[int, int, str]]:
    return {name: (one.row_id, one.generation, one.spec["environment"]) for name, one in place.observe().items()}


@given(histories())
@settings(max_examples=1_000, deadline=None)
def test_the_fake_ends_as_the_table_does(history: tuple[Statements, list[list[Change]]]) -> None:
    table, batches = history
    place = Memory(Path())
    asyncio.run(play(place, batches))
    assert state(place) == table.state()


@given(histories())
@settings(max_examples=1_000, deadline=None)
def test_two_places_end_as_the_table_does(history: tuple[Statements, list[list[Change]]]) -> None:
    table, batches = history
    place = Routed(Memory(Path()), Memory(Path()))
    asyncio.run(play(place, batches))
    assert state(place) == table.state()


@given(histories())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_repository_ends_as_the_table_does(history: tuple[Statements, list[list[Change]]]) -> None:
    table, batches = history
    with TemporaryDirectory() as folder:
        place = Git(Path(folder))
        asyncio.run(play(place, batches))
        assert place.version() == "" or state(place) == table.state()
        assert place.version() != "" or table.state() == {}


@given(histories())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_proposal_ends_as_the_table_does(history: tuple[Statements, list[list[Change]]]) -> None:
    table, batches = history
    with TemporaryDirectory() as folder:
        place = PullRequests(Path(folder))
        asyncio.run(play(place, batches))
        assert state(place) == table.state()


@given(history=histories())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_namespace_ends_as_the_table_does(
    api_server: Platform, history: tuple[Statements, list[list[Change]]]
) -> None:
    table, batches = history
    place = Kubernetes(api_server.env())
    asyncio.run(play(place, batches))
    assert state(place) == table.state()
