"""Two instances read one subscription of a broker that keeps no order: whatever comes to whichever, late or twice, the
place ends as the table, and what was gone when its event came was never there again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.places import Git, Memory, Place
from contract.targets.test_target_convergence import Statements, histories, state
from rowcast.core.events import Change
from rowcast.core.plan import latest
from rowcast.core.ports import Delivered, Target
from rowcast.core.render import render
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.targets.git import GitTarget
from rowcast_local.platform import Platform
from unit.sync.test_any_order import Database

History = tuple[Statements, list[list[Change]]]


class Readable(Statements, Database):
    """The model, as crud lets it be read."""


def tables(history: History) -> tuple[Readable, list[list[Change]]]:
    table = Readable()
    vars(table).update(vars(history[0]))
    return table, history[1]


class Mirrors(Git):
    """Each instance has a mirror of its own."""

    def target(self) -> Target:
        self._clones += 1
        return GitTarget(self.settings(cache=self._folder / f"mirror-{self._clones}"))


readers = st.lists(st.integers(0, 1), min_size=50, max_size=50)


async def play(place: Place, table: Readable, batches: Sequence[Sequence[Change]], turns: Sequence[int]) -> set[int]:
    """Deliver batches, each to one of two instances; the rows that have been at the place."""
    targets = [place.target(), place.target()]
    instances = [Hindsight(target, table) for target in targets]
    there: set[int] = set()
    try:
        for target in targets:
            await target.start()
        for batch, turn in zip([batch for batch in batches if batch], turns, strict=False):
            wanted = [render(change) for change in latest(batch).values()]
            results = await instances[turn].deliver(wanted)
            assert all(isinstance(result, Delivered) for result in results.values()), results
            there |= {one.row_id for one in place.observe().values()}
    finally:
        for target in targets:
            await target.close()
    return there


def holds(place: Place, history: History, turns: Sequence[int]) -> None:
    table, batches = tables(history)
    there = asyncio.run(play(place, table, batches, turns))
    assert state(place) == table.state()
    assert there <= table.rows.keys(), "all events have come after all statements: what is gone was gone then"


@given(histories(), readers)
@settings(max_examples=100, deadline=None)
def test_the_fake_ends_as_the_table_does(history: History, turns: list[int]) -> None:
    holds(Memory(Path()), history, turns)


@given(histories(), readers)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_repository_ends_as_the_table_does(history: History, turns: list[int]) -> None:
    with TemporaryDirectory() as folder:
        place = Mirrors(Path(folder))
        table, batches = tables(history)
        asyncio.run(play(place, table, batches, turns))
        assert place.version() == "" or state(place) == table.state()
        assert place.version() != "" or table.state() == {}


@given(history=histories(), turns=readers)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_namespace_ends_as_the_table_does(api_server: Platform, history: History, turns: list[int]) -> None:
    holds(Kubernetes(api_server.env()), history, turns)
