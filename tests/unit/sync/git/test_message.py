from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import deleted, saved
from rowcast.core.outcomes import Outcome
from rowcast.core.row import app_config
from rowcast.sync.targets.git.commits.changes import Judged
from rowcast.sync.targets.git.commits.message import message_of, people_of, person
from rowcast.sync.targets.git.commits.trailers import Note, Origin, Word, notes

DOMAIN = "users.example.org"
HERE = Origin("rowcast", "main", "environments")
BREAKS = "\n\r\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What one or another reader takes for the end of a line."""


def created(row_id: int, name: str, actor: str = "ann", *, verified: bool = False, approved_by: str = "") -> Judged:
    desired = saved(row_id, 1, name, actor=actor, verified=verified, approved_by=approved_by)
    return Judged(desired, Outcome.CREATED, written=True)


def gone(row_id: int, generation: int, name: str) -> Judged:
    return Judged(deleted(row_id, generation, name), Outcome.DELETED, left=("p",))


@pytest.mark.parametrize(
    ("actor", "verified", "identity"),
    [
        ("Ann Lee", False, "Ann Lee <ann-lee@users.example.org>"),
        ("ann@example.com", True, "ann@example.com <ann@example.com>"),
        ("ann@example.com", False, "ann@example.com <ann-example-com@users.example.org>"),
        ("Ann <ann@example.com>", True, "Ann ann@example.com <ann-ann-example-com@users.example.org>"),
        ("", True, "anonymous <anonymous@users.example.org>"),
        ("<>\n\x00", False, "anonymous <anonymous@users.example.org>"),
        ("日本", False, "日本 <anonymous@users.example.org>"),
        ("Zoë 👩\u200d🚀", False, "Zoë 👩\u200d🚀 <zo@users.example.org>"),
        ("eve\u202eenna", False, "eve enna <eve-enna@users.example.org>"),
        ("eve\ud800", False, "eve <eve@users.example.org>"),
        (
            "eve> 0 +0000\ncommitter x <y",
            True,
            "eve 0 +0000 committer x y <eve-0-0000-committer-x-y@users.example.org>",
        ),
    ],
)
def test_an_actor_becomes_an_identity_that_git_accepts_and_nobody_elses(
    actor: str, verified: bool, identity: str
) -> None:
    assert person(actor, verified, DOMAIN) == identity


def test_an_address_is_used_only_where_a_login_vouches_for_it() -> None:
    judged = [created(1, "a", "ann@example.com", verified=True), created(2, "b", "ann@example.com")]
    assert people_of(judged, DOMAIN) == [
        "ann@example.com <ann@example.com>",
        "ann@example.com <ann-example-com@users.example.org>",
    ]


def test_the_author_is_who_made_most_of_the_changes() -> None:
    judged = [created(1, "a", "bob"), created(2, "b", "ann"), created(3, "c", "ann")]
    assert [one.split(" ")[0] for one in people_of(judged, DOMAIN)] == ["ann", "bob"]


def test_who_has_approved_what_a_commit_writes_is_named_in_it_once() -> None:
    judged = [
        created(1, "a", approved_by="bob@example.com"),
        created(2, "b"),
        created(3, "c", approved_by="sub:https://login.example#7"),
        created(4, "d", approved_by="bob@example.com"),
        replace(created(5, "e", approved_by="eve@example.com"), written=False),
    ]
    said = message_of(judged, DOMAIN, HERE).rstrip().rpartition("\n\n")[2].split("\n")
    assert [line for line in said if line.startswith("Approved-by: ")] == [
        "Approved-by: bob@example.com <bob@example.com>",
        "Approved-by: sub:https://login.example#7 <sub-https-login-example-7@users.example.org>",
    ]


def test_a_row_that_leaves_a_place_is_not_said_to_be_deleted() -> None:
    left = Judged(replace(saved(1, 7, "a"), manifests=(), elsewhere=True), Outcome.DELETED, left=("p",))
    message = message_of([left, gone(2, 5, "b")], DOMAIN, HERE)
    assert message.startswith("Delete b, move away a\n")
    assert notes(message, HERE) == [
        Note(app_config(1), 7, Word.LEFT),
        Note(app_config(2), 5, Word.DELETED),
    ]


def test_a_deletion_that_found_nothing_is_noted_too() -> None:
    nothing = Judged(deleted(7, 3, "x"), Outcome.UNCHANGED)
    message = message_of([created(1, "a"), nothing], DOMAIN, HERE)
    assert message.startswith("Create a\n")
    assert Note(app_config(7), 3, Word.DELETED) in notes(message, HERE)


forgeries = st.lists(
    st.sampled_from([*BREAKS, " ", "x", "Rowcast-Row: 9@9 deleted", "Rowcast-Place: main:environments", "🚀"])
    | st.text(max_size=5),
    max_size=8,
).map("".join)


@given(forgeries, forgeries, forgeries)
def test_nothing_in_a_name_a_path_or_a_person_can_add_a_line(name: str, actor: str, path: str) -> None:
    row = saved(1, 2, name, environment=name, actor=actor, approved_by=f"x{actor}")
    left = Judged(row, Outcome.CONFIGURED, left=(path,), written=True)
    message = message_of([created(3, "c"), created(4, "d"), left], DOMAIN, HERE)

    assert [(int(note.row.key), note.word) for note in notes(message, HERE)] == [(3, ""), (4, ""), (1, "")]
    assert not set(message) & set(BREAKS) - {"\n"}
    assert len(message.split("\n")) == len(message_of([created(3, "c"), created(4, "d")], DOMAIN, HERE).split("\n")) + (
        6 if person(actor, False, DOMAIN) != person("ann", False, DOMAIN) else 5
    )


def test_a_persons_name_is_not_without_end() -> None:
    assert len(person("x" * 100_000, False, DOMAIN)) < 500
