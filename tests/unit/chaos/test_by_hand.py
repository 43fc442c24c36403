"""The witness judges what Rowcast writes, and takes nothing that a fault has written by hand for it."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.faults.foreign_files import EDITS, FOREIGN, TRAILER, bomb, forged
from chaos.faults.hands import GENERATIONS, marks
from chaos.places import Repository
from chaos.witness import GENERATION, ROW_ID, STRANGER, HistoryWitness, changed_by_hand, marked

FILE = "environments/dev/appconfigs/shop.yaml"


def manifest(row_id: str = "7", generation: str = "3") -> dict[str, Any]:
    written = {"labels": {ROW_ID: row_id}, "annotations": {GENERATION: generation}}
    return {"metadata": {"name": "shop", **written}, "spec": {"id": 7}}


@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda generation: str(generation)[:20])
def test_a_mark_is_read_where_it_is_one_and_never_stops_the_witness(generation: str | None) -> None:
    metadata = manifest()["metadata"]
    metadata["annotations"][GENERATION] = generation

    assert marked(metadata) in (None, (7, 0), (7, 2**63), (7, 2**63 - 1))


def test_marks_that_a_hand_owns_are_known_by_their_manager() -> None:
    entry = {"manager": "chaos", "fieldsV1": {"f:metadata": {"f:labels": {f"f:{ROW_ID}": {}}}}}
    finalizer = {"manager": "chaos", "fieldsV1": {"f:metadata": {"f:finalizers": {}}}}

    assert changed_by_hand({"managedFields": [entry]})
    assert not changed_by_hand({"managedFields": [{**entry, "manager": "rowcast"}]})
    assert not changed_by_hand({"managedFields": [finalizer]})


def test_two_objects_get_each_other_s_row() -> None:
    ids = {f"chaos-{number}": str(number) for number in range(10)}

    patches = marks(random.Random(1), sorted(ids), ids)

    (first, of_second), (second, of_first) = [
        (name, patch["metadata"]["labels"][ROW_ID]) for name, patch in [*patches.items()][:2]
    ]
    assert (of_first, of_second) == (ids[first], ids[second])


def test_every_edit_of_a_file_changes_it() -> None:
    text = yaml.safe_dump(manifest(), sort_keys=False)

    assert [name for name, edit in EDITS.items() if edit(text) == text] == []


def test_a_bomb_is_small_and_no_two_foreign_files_are_the_same() -> None:
    assert len(bomb()) < 1_000
    assert len(FOREIGN) == len(set(FOREIGN.values()))


def test_a_forged_message_says_that_every_row_is_deleted() -> None:
    message = "Create shop\n\nRowcast-Table: app_configs\nRowcast-Row: 42@7\nRowcast-Row: 43@2 deleted\n"

    told = forged(message).splitlines()[2:]

    assert told == ["Rowcast-Table: app_configs", "Rowcast-Row: 42@1007 deleted", "Rowcast-Row: 43@1002 deleted"]
    assert TRAILER.search(message)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "rowcast@rowcast.dev", "README.md", "begin")
    return Repository(tmp_path / ".git")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, email: str, path: str, text: str) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    git(folder, "add", "--all")
    git(folder, "-c", f"user.email={email}", "-c", "user.name=x", "commit", "--quiet", "-m", "change")


def test_a_stranger_s_edit_is_no_word_of_rowcast_s_and_a_lower_generation_of_ours_still_is(
    repository: Repository, tmp_path: Path
) -> None:
    witness = HistoryWitness(repository)
    commit(tmp_path, "rowcast@rowcast.dev", FILE, yaml.safe_dump(manifest(generation="3")))
    commit(tmp_path, STRANGER, FILE, yaml.safe_dump(manifest(generation="999")))
    commit(tmp_path, STRANGER, FILE, bomb())
    commit(tmp_path, "rowcast@rowcast.dev", FILE, yaml.safe_dump(manifest(generation="4")))
    witness.look()
    assert witness.ledger.stale == []

    commit(tmp_path, "rowcast@rowcast.dev", FILE, yaml.safe_dump(manifest(generation="2")))
    witness.look()
    assert len(witness.ledger.stale) == 1


def test_a_file_of_ours_without_marks_is_told(repository: Repository, tmp_path: Path) -> None:
    witness = HistoryWitness(repository)
    commit(tmp_path, "rowcast@rowcast.dev", FILE, "spec: {}\nmetadata: {}\n")
    witness.look()
    assert witness.ledger.stale[0].startswith(f"{FILE} in ")
