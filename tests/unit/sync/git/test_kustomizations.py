from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import deleted, saved
from rowcast.core.layout import Layout
from rowcast.core.plan import Held, Tombstones
from rowcast.sync.targets.git.commits.changes import decide
from rowcast.sync.targets.git.files.kustomizations import kustomization, read_listing
from rowcast.sync.targets.git.files.tree_index import Index, Listing, Place

STEPS = st.lists(
    st.lists(
        st.tuples(st.integers(1, 4), st.booleans(), st.sampled_from(["dev", "prod"])),
        max_size=4,
        unique_by=lambda step: step[0],
    ),
    max_size=8,
)


@given(STEPS)
def test_each_folder_lists_its_files_and_nothing_else_after_every_batch(
    batches: list[list[tuple[int, bool, str]]],
) -> None:
    index, tombstones, layout = Index(), Tombstones(), Layout("root")
    files: dict[str, bytes] = {}
    for generation, steps in enumerate(batches, start=1):
        batch = [
            (deleted if gone else saved)(row, generation, f"row-{row}", environment=environment)
            for row, gone, environment in steps
        ]
        for path, content in decide(batch, index, tombstones, layout, kustomize=True).files.items():
            if content is None:
                del files[path]
            else:
                files[path] = content
    folders: dict[str, list[str]] = {}
    for held in index:
        folders.setdefault(held.key.rpartition("/")[0], []).append(held.key)
    listed = {path: content for path, content in files.items() if path.endswith("/kustomization.yaml")}
    assert listed == {f"{folder}/kustomization.yaml": kustomization(paths) for folder, paths in folders.items()}


@given(STEPS)
def test_what_is_taken_back_leaves_the_index_as_it_was(batches: list[list[tuple[int, bool, str]]]) -> None:
    index, layout = Index(), Layout()
    decide(
        [saved(9, 1, "row-9"), saved(8, 1, "row-8", environment="prod")], index, Tombstones(), layout, kustomize=True
    )
    before = {held.key for held in index}
    listings = {
        path: index.at(path) for path in ("dev/appconfigs/kustomization.yaml", "prod/appconfigs/kustomization.yaml")
    }
    for steps in batches:
        batch = [
            (deleted if gone else saved)(row, 2, f"row-{row}", environment=environment)
            for row, gone, environment in steps
        ]
        index.restore(decide(batch, index, Tombstones(), layout, kustomize=True).before)
        assert {held.key for held in index} == before
        assert {path: index.at(path) for path in listings} == listings
        assert index.inside("dev/appconfigs") == {"dev/appconfigs/row-9.yaml"}


def test_a_kustomization_without_our_mark_is_somebody_elses() -> None:
    ours = kustomization(["a/b.yaml"])
    assert isinstance(read_listing("a/kustomization.yaml", ours), Listing)
    assert read_listing("a/kustomization.yaml", ours.partition(b"\n")[2]) is None
    assert read_listing("a/other.yaml", ours) is None


def test_no_row_is_mistaken_for_a_kustomization() -> None:
    index = Index()
    index.put("a/kustomization.yaml", Listing("x"))
    assert not isinstance(index.at("a/kustomization.yaml"), Held | Place)
    assert list(index) == []
