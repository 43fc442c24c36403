from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.plan import Held
from rowcast.core.row import app_config
from rowcast.sync.targets.git.files.tree_index import Entry, Index, Place

PATHS = ("r", "r/a.yaml", "r/a.yaml/b.yaml", "r/d/a.yaml", "r/d/b.yaml")

entries = st.one_of(st.just(Place.FREE), st.just(Place.FOREIGN), st.integers(1, 3))
changes = st.lists(st.tuples(st.sampled_from(PATHS), entries), max_size=12)


def entry_of(path: str, entry: Place | int) -> Entry:
    return Held(path, app_config(entry), 1, 1) if isinstance(entry, int) else entry


def content(index: Index) -> object:
    rows = {row: sorted(held.key for held in index.own(app_config(row))) for row in (1, 2, 3)}
    return rows, sorted(held.key for held in index), [index.at(path) for path in PATHS], len(index)


@given(changes)
def test_it_holds_what_was_put_last(puts: list[tuple[str, Place | int]]) -> None:
    index = Index()
    expected: dict[str, Entry] = {}
    for path, entry in puts:
        index.put(path, entry_of(path, entry))
        expected[path] = entry_of(path, entry)
    held = [entry for entry in expected.values() if isinstance(entry, Held)]
    assert sorted(index, key=lambda one: one.key) == sorted(held, key=lambda one: one.key)
    for row in (1, 2, 3):
        assert sorted(one.key for one in index.own(app_config(row))) == sorted(
            one.key for one in held if int(one.row.key) == row
        )


@given(changes, changes)
def test_changes_can_be_taken_back(first: list[tuple[str, Place | int]], second: list[tuple[str, Place | int]]) -> None:
    index = Index()
    for path, entry in first:
        index.put(path, entry_of(path, entry))
    before_all = content(index)
    known = {path: index.at(path) for path in PATHS}
    direct = {held.key for held in index}
    before: dict[str, Entry] = {}
    for path, entry in second:
        if known[path] is Place.FOREIGN and path not in direct:
            continue  # nothing is ever written there
        before.setdefault(path, known[path])
        index.put(path, entry_of(path, entry))
    index.restore(before)
    assert content(index) == before_all


def test_a_folder_where_a_file_would_go_is_foreign_until_it_is_empty() -> None:
    index = Index()
    index.put("r/a.yaml/inside", Place.FOREIGN)
    assert index.at("r/a.yaml") is Place.FOREIGN
    index.put("r/a.yaml/inside", Place.FREE)
    assert index.at("r/a.yaml") is Place.FREE


def test_a_file_where_a_folder_would_have_to_be_is_foreign() -> None:
    index = Index()
    index.put("r/dev", Place.FOREIGN)
    assert index.at("r/dev/appconfigs/a.yaml") is Place.FOREIGN
    assert index.at("r/prod/appconfigs/a.yaml") is Place.FREE
