"""A row that has to wait for another one's file holds up nobody, and waits no longer than it has to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.targets.rows import deleted, saved
from contract.targets.test_rows_of_any_table import config, row
from rowcast.core.errors import TransientError
from rowcast.core.layout import Layout
from rowcast.core.plan import Held, Tombstones
from rowcast.core.render import Desired, Manifest
from rowcast.core.row import RowKey
from rowcast.sync.targets.git.commits.changes import Changes, decide
from rowcast.sync.targets.git.files.bundles import content_of
from rowcast.sync.targets.git.files.tree_index import Index


def order(key: str, generation: int, name: str) -> Desired:
    """A row of a table that isn't ours, whose file has this name."""
    return replace(row(key, generation, config("data", x=key)), name=name)


def gone(key: str, generation: int) -> Desired:
    return replace(deleted(1, generation, key), row=RowKey("tenants", key))


class Tree:
    """What batches have made of an empty tree."""

    def __init__(self) -> None:
        self.index = Index()
        self._layout = Layout("environments")

    def deliver(self, *batch: Desired) -> Changes:
        return decide(batch, self.index, Tombstones(), self._layout)

    def names(self) -> dict[str, str]:
        """Of each file that the renderer's rows have, the row's key."""
        rows = (RowKey("tenants", str(number)) for number in range(10))
        held = [held for row in rows for held in self.index.own(row) if isinstance(held, Held)]
        return {one.key.rpartition("/")[2]: one.row.key for one in held}


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    tree.deliver(order("1", 1, "a"), order("2", 1, "b"))
    return tree


def test_a_row_that_wants_anothers_file_waits_and_all_others_are_delivered(tree: Tree) -> None:
    changes = tree.deliver(order("3", 1, "a"), order("4", 1, "d"), saved(5, 1, "e"))

    assert list(changes.failed) == [RowKey("tenants", "3")]
    error = changes.failed[RowKey("tenants", "3")]
    assert isinstance(error, TransientError)
    assert "a.yaml is of row tenants/1" in str(error)
    assert [one.desired.name for one in changes.judged] == ["d", "e"]
    assert tree.names() == {"a.yaml": "1", "b.yaml": "2", "d.yaml": "4"}


def test_rows_that_swap_their_names_get_there_together_and_what_another_still_wants_is_nobodys(tree: Tree) -> None:
    tree.deliver(order("3", 1, "c"))

    changes = tree.deliver(order("1", 2, "b"), order("2", 2, "c"), order("3", 2, "a"), order("4", 1, "a"))

    assert list(changes.failed) == [RowKey("tenants", "4")]
    assert tree.names() == {"a.yaml": "3", "b.yaml": "1", "c.yaml": "2"}
    assert not tree.deliver(order("1", 3, "c"), order("2", 3, "b")).failed
    assert tree.names() == {"a.yaml": "3", "b.yaml": "2", "c.yaml": "1"}


@pytest.mark.parametrize("letting_go", [gone("1", 2), order("1", 2, "z")], ids=["deleted", "renamed"])
def test_a_file_that_is_let_go_in_the_same_batch_is_had_at_once_in_whatever_order(
    tree: Tree, letting_go: Desired
) -> None:
    changes = tree.deliver(order("3", 1, "b"), order("2", 2, "a"), letting_go)

    assert not changes.failed
    assert tree.names() | {"z.yaml": "1"} == {"a.yaml": "2", "b.yaml": "3", "z.yaml": "1"}


def test_a_batch_that_fails_by_a_bug_leaves_nothing_in_the_index(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbling(manifest: Manifest) -> bytes:
        if manifest.name == "bad":
            raise TypeError("a bug")
        return content_of(manifest)

    with monkeypatch.context() as broken:
        broken.setattr("rowcast.sync.targets.git.commits.changes.content_of", stumbling)
        with pytest.raises(TypeError):
            tree.deliver(order("1", 2, "c"), order("3", 1, "d"), saved(5, 1, "bad"))
    assert tree.names() == {"a.yaml": "1", "b.yaml": "2"}
    assert set(tree.deliver(order("1", 2, "c"), order("3", 1, "d")).files) == {
        f"environments/dev/tenants/{name}.yaml" for name in "acd"
    }
