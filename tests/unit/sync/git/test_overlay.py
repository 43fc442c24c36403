"""What is proposed, over whatever happens to the branch below."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import deleted, saved
from rowcast.core.layout import Layout
from rowcast.core.plan import Held, Tombstones
from rowcast.core.render import Desired
from rowcast.core.row import app_config
from rowcast.sync.targets.git.commits.changes import bury, decide
from rowcast.sync.targets.git.files.tree_index import Entry, Index, Place
from rowcast.sync.targets.git.proposals.overlay import Overlay
from rowcast.sync.targets.git.proposals.text import body_of, title_of

LAYOUT = Layout("environments")
NAMES = ("a", "b", "c")
steps = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(NAMES), st.booleans(), st.booleans()), min_size=1, max_size=12
)


class Proposing:
    """A branch's index with an overlay, and beside it an index that every batch is pushed to."""

    def __init__(self) -> None:
        self.base, self.overlay = Index(), Overlay()
        self.tombstones = Tombstones()
        self.pushed, self.buried = Index(), Tombstones()

    def deliver(self, batch: Sequence[Desired]) -> None:
        with self.overlay.over(self.base) as index:
            changes = decide(batch, index, self.tombstones, LAYOUT)
            entries = {path: index.at(path) for path in changes.files}
            index.restore(changes.before)
        self.overlay = self.overlay.with_changes(changes, entries, self.base)
        bury(changes, self.tombstones)
        bury(decide(batch, self.pushed, self.buried, LAYOUT), self.buried)

    def merge(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.base.put(path, self.overlay.files[path].entry)

    def proposed(self) -> dict[str, Entry]:
        with self.overlay.over(self.base) as index:
            return {held.key: held for held in index}


def desired(row_id: int, name: str, gone: bool, generation: int) -> Desired:
    return deleted(row_id, generation, name) if gone else saved(row_id, generation, name)


@given(steps)
def test_the_proposal_holds_what_pushing_would_have_made(made: list[tuple[int, str, bool, bool]]) -> None:
    place = Proposing()
    for generation, (row_id, name, gone, merged) in enumerate(made, 1):
        place.deliver([desired(row_id, name, gone, generation)])
        if merged:
            place.merge(list(place.overlay.files))
            settled = place.overlay.settle(place.base)
            assert not place.overlay.files
            assert not place.overlay.rows
            # Displaced: their own events tell where they are.
            assert not any(place.base.own(one.row) for one in settled.passed)
        assert place.proposed() == {held.key: held for held in place.pushed}


@given(steps)
def test_what_is_proposed_is_what_differs(made: list[tuple[int, str, bool, bool]]) -> None:
    place = Proposing()
    for generation, (row_id, name, gone, merged) in enumerate(made, 1):
        before = {held.key: held for held in place.base}
        place.deliver([desired(row_id, name, gone, generation)])
        assert {held.key: held for held in place.base} == before
        for path, wanted in place.overlay.files.items():
            assert wanted.entry != place.base.at(path)
            assert (wanted.content is None) == (wanted.entry is Place.FREE)
        if merged:
            some = sorted(place.overlay.files)[:1]
            place.merge(some)
            left = set(place.overlay.files) - set(some)
            place.overlay.settle(place.base)
            assert set(place.overlay.files) == left
            # A file that only goes may be of a row whose place was taken: it has its own event.
            held = (place.overlay.files[path] for path in left)
            assert place.overlay.rows.keys() >= {wanted.row for wanted in held if isinstance(wanted.entry, Held)}


def test_a_file_that_lost_its_row_is_named_in_the_request() -> None:
    place = Proposing()
    place.deliver([saved(1, 1, "c")])
    place.merge(list(place.overlay.files))
    place.overlay.settle(place.base)
    place.deliver([saved(2, 1, "c")])
    place.deliver([saved(2, 2, "a")])
    place.merge([path for path in place.overlay.files if path.endswith("/a.yaml")])
    place.overlay.settle(place.base)

    assert not place.overlay.rows
    assert title_of(place.overlay) == "Remove what has lost its place"
    assert "- remove `environments/dev/appconfigs/c.yaml`" in body_of(place.overlay, "main", "rowcast/main")


def test_a_row_that_was_never_on_the_branch_leaves_nothing_behind() -> None:
    place = Proposing()
    place.deliver([saved(1, 1, "a")])
    place.deliver([deleted(1, 2, "a")])
    assert place.overlay == Overlay()


def test_a_later_state_on_the_branch_counts_more() -> None:
    place = Proposing()
    place.deliver([saved(1, 1, "a")])
    (path,) = place.overlay.files
    place.base.put(path, Held(path, app_config(1), 2, 1, "another"))
    settled = place.overlay.settle(place.base)
    assert [int(one.row.key) for one in settled.passed] == [1]
    assert settled.merged == ()


def test_an_earlier_state_on_the_branch_counts_less() -> None:
    place = Proposing()
    place.deliver([saved(1, 2, "a")])
    (path,) = place.overlay.files
    place.base.put(path, Held(path, app_config(1), 1, 1, "another"))
    assert place.overlay.settle(place.base).merged == ()
    assert path in place.overlay.files


def test_a_foreign_file_on_the_branch_is_not_proposed_away() -> None:
    place = Proposing()
    place.deliver([saved(1, 1, "a")])
    (path,) = place.overlay.files
    place.base.put(path, Place.FOREIGN)
    assert [int(one.row.key) for one in place.overlay.settle(place.base).passed] == [1]
    assert not place.overlay.files


def test_a_name_that_goes_to_another_row_settles_both() -> None:
    place = Proposing()
    place.deliver([saved(1, 1, "a")])
    place.merge(list(place.overlay.files))
    place.overlay.settle(place.base)
    place.deliver([deleted(1, 2, "a"), saved(2, 1, "a")])
    assert {int(row.key) for row in place.overlay.rows} == {1, 2}

    place.merge(list(place.overlay.files))
    settled = place.overlay.settle(place.base)
    assert {(int(one.row.key), one.deleted) for one in settled.merged} == {(1, True), (2, False)}
