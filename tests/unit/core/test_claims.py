"""Rows that want what other rows have: in the end each has what the table gives it, however the events come."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from contract.targets.test_rows_of_any_table import config, gone, row
from examples import examples
from rowcast.core.ports import is_claimed
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget

KEYS, NAMES = "1234", "abcde"


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, str], list[list[Desired]]]:
    """Which row has which name in the end, and how its states come: each at least once, in any order and batches.

    At each moment a name is one row's, as a unique column of the table has it.
    """
    moments = draw(st.lists(st.permutations([*NAMES, None, None, None]), min_size=1, max_size=4))
    events: list[Desired] = []
    generations = dict.fromkeys(KEYS, 0)
    names: dict[str, str | None] = dict.fromkeys(KEYS)
    for lsn, moment in enumerate(moments, start=1):
        for key, name in zip(KEYS, moment, strict=False):
            if names[key] == name:
                continue
            names[key] = name
            generations[key] += 1
            made = gone(key, generations[key])
            events.append(made if name is None else row(key, generations[key], config(name, x=key), lsn=lsn))
    batches: list[list[Desired]] = [[]]
    for event in draw(st.permutations(events)):
        if draw(st.booleans()) or any(event.row == other.row for other in batches[-1]):
            batches.append([])
        batches[-1].append(event)
    return {name: key for key, name in names.items() if name is not None}, batches


@examples(500)
@given(histories())
def test_each_row_has_the_name_that_the_table_gives_it_in_the_end(
    history: tuple[dict[str, str], list[list[Desired]]],
) -> None:
    final, batches = history
    store = MemoryStore()

    async def play() -> None:
        target = MemoryTarget(store)
        waiting: dict[RowKey, Desired] = {}
        for batch in [*batches, *([] for _ in KEYS)]:
            newest = {one.row: one for one in batch}
            again = [one for one in waiting.values() if newest.get(one.row, one).generation <= one.generation]
            tried = {one.row: one for one in [*batch, *again]}
            results = await target.deliver(list(tried.values()))
            waiting = {row: one for row, one in tried.items() if is_claimed(results[row])}
        assert not waiting

    asyncio.run(play())
    held = [stored.held for stored in store.objects.values() if stored.held is not None]
    assert {one.key.rpartition("/")[2]: one.row.key for one in held} == final
