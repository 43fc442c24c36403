"""What a commit's trailers are believed for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import deleted
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Tombstones
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.git.commits.changes import Judged
from rowcast.sync.targets.git.commits.message import message_of
from rowcast.sync.targets.git.commits.trailers import Note, Origin, Word, bury, notes
from rowcast.sync.targets.git.files.tree_index import Index
from rowcast.sync.targets.git.history import credible

HERE = Origin("rowcast", "main", "environments")
ROW = app_config(42)
HEAD = "\n".join(HERE.lines())


def deletion(origin: Origin) -> str:
    return message_of([Judged(deleted(42, 7, "a"), Outcome.DELETED, left=("p",))], "example.org", origin)


def test_what_we_say_of_a_place_is_read_back_there() -> None:
    assert notes(deletion(HERE), HERE) == [Note(ROW, 7, Word.DELETED)]


@pytest.mark.parametrize(
    "other",
    [
        Origin("other", "main", "environments"),
        Origin("rowcast", "release", "environments"),
        Origin("rowcast", "main", "production"),
        Origin("rowcast", "main", ""),
        Origin("rowcast", "main", "environments/dev"),
        Origin("rowcast\nRowcast-Place: main:environments", "main", "environments"),
        Origin("rowcast", "main", "environments\n\nRowcast-Platform: rowcast\nRowcast-Place: main:environments"),
    ],
    ids=str,
)
def test_what_is_said_of_another_place_says_nothing_here(other: Origin) -> None:
    assert notes(deletion(other), HERE) == []
    assert notes(deletion(HERE), other) == []
    assert notes(deletion(other), other) == [Note(ROW, 7, Word.DELETED)]


@pytest.mark.parametrize("branch", ["main", "feature/🚀", "a:b", "ünïcode"])
@pytest.mark.parametrize("root", ["", "environments", "clusters/one two", "日本", "a:b%2F", "\udce9"])
def test_any_folder_of_any_branch_is_a_place(branch: str, root: str) -> None:
    origin = Origin("rowcast", branch, root)
    assert all(line.isascii() and line.isprintable() for line in origin.lines())
    assert notes(deletion(origin), origin) == [Note(ROW, 7, Word.DELETED)]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Rowcast-Row: 42@7 deleted",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@7 deleted\n\nmore words",
        f"Say\n\n{HEAD}\nRowcast-Row: 42@7 deleted",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: x",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@{'7' * 5000} deleted",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@{2**63} deleted",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@² deleted",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@\u0667 deleted",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@7 deleted\r",
        f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@7 gone",
        *(
            f"Say\n\n{HEAD}\nRowcast-Table: app_configs\nCo-authored-by: x{end}Rowcast-Row: 42@7 deleted"
            for end in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        ),
        f"Say\n\nRowcast-Place: main:environments\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@7 deleted",
        f"Say\n\nx: y\n{HEAD}\nRowcast-Table: app_configs\nRowcast-Row: 42@7 deleted",
        "Say\n\nRowcast-Platform: rowcast\nRowcast-Table: app_configs\nRowcast-Row: 42@7 deleted",
    ],
)
def test_words_that_look_like_trailers_say_nothing(message: str) -> None:
    assert notes(message, HERE) == []


@pytest.mark.parametrize(
    ("words", "fence"),
    [
        (["deleted"], 7),
        (["displaced"], 7),
        (["left"], 6),
        (["deleted", ""], None),
        (["", "left"], 6),
        (["left", "deleted"], 7),
    ],
)
def test_a_deletion_holds_for_its_generation_and_leaving_for_those_before(words: list[str], fence: int | None) -> None:
    tombstones = Tombstones()
    bury([Note(ROW, 7, Word(word)) for word in words], tombstones)
    assert tombstones.get(ROW) == fence


@pytest.mark.parametrize(("held", "fence"), [(None, 7), (6, 7), (7, None), (8, None)])
def test_what_an_older_version_called_a_deletion_is_not_believed_against_the_tree(
    held: int | None, fence: int | None
) -> None:
    """It called it so, too, when the row had only left another place."""
    index, tombstones = Index(), Tombstones()
    if held is not None:
        index.put("p", Held("p", ROW, held, 1))
    old = notes("Delete a\n\nDeleted:\n- dev/a\n\nRowcast-Table: app_configs\nRowcast-Row: 42@7 deleted\n", HERE)

    bury(credible(old, index), tombstones)

    assert tombstones.get(ROW) == fence


def test_what_is_said_of_this_very_place_needs_no_such_check() -> None:
    """A file that was brought back by hand does not bring back its row."""
    index = Index()
    index.put("p", Held("p", ROW, 7, 1))
    said = [Note(ROW, 7, Word.DELETED)]
    assert list(credible(said, index)) == said


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_rows_of_any_table_are_read_back_whatever_their_keys(key: str) -> None:
    row = RowKey("tenants", key)
    told = [
        Judged(replace(deleted(1, 7, "a"), row=row), Outcome.DELETED, left=("p",)),
        Judged(deleted(42, 7, "a"), Outcome.DELETED, left=("q",)),
    ]
    assert notes(message_of(told, "example.org", HERE), HERE) == [
        Note(ROW, 7, Word.DELETED),
        Note(row, 7, Word.DELETED),
    ]
