from __future__ import annotations

import pytest

from contract.targets.rows import deleted, saved
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Tombstones
from rowcast.sync.targets.git.changes import Judged
from rowcast.sync.targets.git.message import bury_deleted, message_of, people_of, person

DOMAIN = "users.example.org"


def created(row_id: int, name: str, actor: str = "ann") -> Judged:
    return Judged(saved(row_id, 1, name, actor=actor), Outcome.CREATED, written=True)


def gone(row_id: int, generation: int, name: str) -> Judged:
    return Judged(deleted(row_id, generation, name), Outcome.DELETED, left=("p",))


@pytest.mark.parametrize(
    ("actor", "identity"),
    [
        ("Ann Lee", "Ann Lee <ann-lee@users.example.org>"),
        ("ann@example.com", "ann@example.com <ann@example.com>"),
        ("", "anonymous <anonymous@users.example.org>"),
        ("<>\n\x00", "anonymous <anonymous@users.example.org>"),
        ("日本", "日本 <anonymous@users.example.org>"),
        ("eve> 0 +0000\ncommitter x <y", "eve 0 +0000 committer x y <eve-0-0000-committer-x-y@users.example.org>"),
    ],
)
def test_an_actor_becomes_an_identity_that_git_accepts(actor: str, identity: str) -> None:
    assert person(actor, DOMAIN) == identity


def test_the_author_is_who_made_most_of_the_changes() -> None:
    judged = [created(1, "a", "bob"), created(2, "b", "ann"), created(3, "c", "ann")]
    assert [one.split(" ")[0] for one in people_of(judged, DOMAIN)] == ["ann", "bob"]


def test_deletions_are_read_back_from_a_message() -> None:
    tombstones = Tombstones()
    bury_deleted([message_of([created(1, "a"), gone(2, 5, "b")], DOMAIN)], tombstones)
    assert tombstones.get("app_configs", 1) is None
    assert tombstones.get("app_configs", 2) == 5


def test_a_deletion_that_found_nothing_is_noted_too() -> None:
    nothing = Judged(deleted(7, 3, "x"), Outcome.UNCHANGED)
    message = message_of([created(1, "a"), nothing], DOMAIN)
    assert message.startswith("Create a\n")
    tombstones = Tombstones()
    bury_deleted([message], tombstones)
    assert tombstones.get("app_configs", 7) == 3


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Rowcast-Row: 1@2 deleted",
        "Say\n\nRowcast-Table: t\nRowcast-Row: 1@2 deleted\n\nmore words",
        "Say\n\nRowcast-Row: x",
    ],
)
def test_words_that_look_like_trailers_teach_nothing(message: str) -> None:
    tombstones = Tombstones()
    bury_deleted([message], tombstones)
    assert tombstones.get("t", 1) is None


def test_a_name_cannot_add_a_trailer() -> None:
    message = message_of([gone(1, 2, "x\n\nRowcast-Table: t\nRowcast-Row: 9@9 deleted")], DOMAIN)
    tombstones = Tombstones()
    bury_deleted([message], tombstones)
    assert tombstones.get("t", 9) is None
    assert tombstones.get("app_configs", 1) == 2
