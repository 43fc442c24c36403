from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.core.plan import Held
from rowcast.core.reconcile import HeldInventory, Inventory
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.git.files.tree_index import Entry, Index, Listing, OfAnother, Place, Unreadable

PATHS = ("r", "r/a.yaml", "r/a.yaml/b.yaml", "r/d/a.yaml", "r/d/b.yaml", "b.yaml")
ROWS = (1, 2, 3)
OTHERS = (Listing("d"), Unreadable("why"), OfAnother("the target k8s-eu"), Place.FOREIGN)
MADE_BY = "this code"

entries = st.one_of(st.just(Place.FREE), st.sampled_from(OTHERS), st.sampled_from(ROWS))
changes = st.lists(st.tuples(st.sampled_from(PATHS), entries), max_size=12)
Puts = Sequence[tuple[str, Entry | int]]


def entry_of(path: str, entry: Entry | int) -> Entry:
    return Held(path, app_config(entry), 1, 2**63 - 1, "d") if isinstance(entry, int) else entry


def content(index: Index) -> object:
    rows = {row: sorted(held.key for held in index.own(app_config(row))) for row in ROWS}
    inside = [index.inside(folder) for folder in ("", "r", "r/a.yaml", "r/d")]
    return rows, sorted(index, key=lambda one: one.key), [index.at(path) for path in PATHS], len(index), inside


def filled(index: Index, puts: Puts) -> Index:
    for path, entry in puts:
        index.put(path, entry_of(path, entry))
    return index


@given(changes)
def test_it_holds_what_was_put_last(puts: Puts) -> None:
    index = filled(Index(), puts)
    expected = {path: entry_of(path, entry) for path, entry in puts}
    held = [entry for entry in expected.values() if isinstance(entry, Held)]
    assert sorted(index, key=lambda one: one.key) == sorted(held, key=lambda one: one.key)
    for row in ROWS:
        assert sorted(one.key for one in index.own(app_config(row))) == sorted(
            one.key for one in held if int(one.row.key) == row
        )
    for path, entry in expected.items():
        if entry is not Place.FREE:
            assert index.at(path) == entry
    assert len(index) == sum(entry is not Place.FREE for entry in expected.values())


@given(changes, changes)
def test_changes_can_be_taken_back(first: Puts, second: Puts) -> None:
    index = filled(Index(), first)
    before_all = content(index)
    known = {path: index.at(path) for path in PATHS}
    direct = {path for path, entry in dict(first).items() if entry is not Place.FREE}
    before: dict[str, Entry] = {}
    for path, entry in second:
        if known[path] is Place.FOREIGN and path not in direct:
            continue  # nothing is ever written there
        before.setdefault(path, known[path])
        index.put(path, entry_of(path, entry))
    index.restore(before)
    assert content(index) == before_all


@given(changes, changes)
@examples(30)
def test_who_comes_next_goes_on_with_what_was_left(first: Puts, second: Puts) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "index.db"
        left = filled(Index(file, MADE_BY), first)
        left.tip = "1234"
        before = content(left)
        left.close()
        next_one = Index(file, MADE_BY)
        assert (next_one.tip, content(next_one)) == ("1234", before)
        assert content(filled(next_one, second)) == content(filled(filled(Index(), first), second))
        next_one.close()


def left(file: Path) -> None:
    index = filled(Index(file, MADE_BY), [("r/a.yaml", 1)])
    index.tip = "1234"
    index.close()


def test_what_was_not_left_properly_or_by_the_same_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    left(file)
    assert Index(file, "other code").tip is None
    left(file)
    Index(file, MADE_BY).put("r/b.yaml", Place.FOREIGN)  # and the process is killed
    after = Index(file, MADE_BY)
    assert (after.tip, list(after), len(after)) == (None, [], 0)
    after.close()  # nothing says of what commit
    assert Index(file, MADE_BY).tip is None
    left(file)
    shutil.copy(file, tmp_path / "copy")
    shutil.move(tmp_path / "copy", file)
    assert Index(file, MADE_BY).tip is None


@pytest.mark.parametrize("file", ["index.db", None])
def test_it_can_be_begun_anew(tmp_path: Path, file: str | None) -> None:
    index = filled(Index(tmp_path / file if file else None), [("r/a.yaml", 1), ("r/d/b.yaml", Place.FOREIGN)])
    index.clear()
    assert content(index) == content(Index())
    assert content(filled(index, [("r/a.yaml", 2)])) == content(filled(Index(), [("r/a.yaml", 2)]))


def told(inventory: Inventory, taken: Sequence[RowKey]) -> object:
    places = [inventory.at(path) for path in PATHS]
    found = {row: sorted(held.key for held in inventory.take(row)) for row in taken}
    rest = sorted((row, sorted(one.key for one in held)) for row, held in inventory.rest())
    return inventory.rows, sorted(inventory, key=lambda one: one.key), places, found, rest, inventory.at(PATHS[1])


@given(changes, changes, st.sets(st.sampled_from((*ROWS, 4))))
@examples(60)
def test_an_inventory_is_of_one_moment(puts: Puts, later: Puts, rows: set[int]) -> None:
    index = filled(Index(), puts)
    inventory, expected = index.inventory(), HeldInventory(index)
    filled(index, later)
    taken = [app_config(row) for row in sorted(rows)]
    assert told(inventory, taken) == told(expected, taken)


def open_files(folder: Path) -> int:
    """How many files of a folder this process has open, those that are gone from it as well."""
    targets = (os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink())
    return sum(target.startswith(str(folder)) for target in targets)


def test_an_inventory_leaves_no_file(tmp_path: Path) -> None:
    index = filled(Index(tmp_path / "index.db"), [("r/a.yaml", 1)])
    inventory = index.inventory()
    assert [held.key for held in inventory.take(app_config(1))] == ["r/a.yaml"]
    assert [file.name for file in tmp_path.iterdir()] == ["index.db"]


@pytest.mark.parametrize("begun", [False, True], ids=["unread", "half read"])
def test_an_inventory_that_nobody_has_keeps_no_space(begun: bool, tmp_path: Path) -> None:
    index = filled(Index(tmp_path / "index.db", MADE_BY), [("r/a.yaml", 1), ("r/d/a.yaml", 2)])
    before = open_files(tmp_path)
    gc.disable()  # whose next time may be hours away
    try:
        for _ in range(3):
            inventory = index.inventory()
            inventory.take(app_config(1))
            rest = inventory.rest()
            if begun:
                next(rest)
            del inventory, rest
        assert open_files(tmp_path) == before
    finally:
        gc.enable()


def test_what_is_read_of_an_inventory_keeps_it(tmp_path: Path) -> None:
    index = filled(Index(tmp_path / "index.db", MADE_BY), [("r/a.yaml", 1), ("r/d/a.yaml", 2)])
    assert {held.key for held in iter(index.inventory())} == {"r/a.yaml", "r/d/a.yaml"}
    assert [row for row, _ in index.inventory().rest()] == [app_config(1), app_config(2)]


def test_names_and_keys_need_not_be_unicode() -> None:
    path, row = "r/\udcff/\udcfe.yaml", RowKey("tenants", "\ud800")
    held = Held(path, row, 1, 1)
    index = Index()
    index.put(path, held)
    assert (index.at(path), index.own(row), index.inside("r/\udcff"), [*index]) == (held, (held,), {path}, [held])
    assert index.named(["\udcfe"]) == {"\udcfe": row}


def test_rows_are_found_by_the_names_of_their_files() -> None:
    index = filled(Index(), [("r/a.yaml", 1), ("r/d/b.yml", 2), ("r/c.yaml", Place.FOREIGN)])
    assert index.named(["a", "b", "c", "d"]) == {"a": app_config(1), "b": app_config(2)}
    assert index.named([]) == {}


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
