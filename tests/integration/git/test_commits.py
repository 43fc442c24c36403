"""What a batch looks like in the repository."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from contract.targets.places import Git, commit_and_push, git
from contract.targets.rows import SAVED_AT, deleted, saved
from rowcast.core.errors import PermanentError
from rowcast.core.ports import Delivered, Failed
from rowcast.core.row import app_config
from rowcast.sync.targets.git import GitTarget

pytestmark = pytest.mark.anyio

Log = Callable[[str], list[str]]


async def test_a_batch_is_one_commit_by_the_people_who_made_the_changes(target: GitTarget, log: Log) -> None:
    await target.deliver(
        [
            saved(1, 1, "a", actor="Zoë <z>\n"),
            saved(2, 1, "b", actor="bob@example.org", verified=True, approved_by="eve@example.org"),
            saved(3, 1, "c", actor="Zoë <z>\n"),
        ]
    )

    assert log("%an|%ae|%cn|%ce") == ["Zoë z|zo-z@users.rowcast.invalid|Rowcast|rowcast@rowcast.dev"]
    assert log("%at") == [str(int(datetime.fromisoformat(SAVED_AT).timestamp()))]
    assert log("%(trailers:key=Co-authored-by,valueonly)") == ["bob@example.org <bob@example.org>"]
    assert log("%(trailers:key=Approved-by,valueonly)") == ["eve@example.org <eve@example.org>"]


async def test_a_commit_says_in_words_and_in_trailers_what_changed(target: GitTarget, log: Log) -> None:
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await target.deliver([saved(3, 1, "c"), saved(1, 2, "d"), deleted(2, 2, "b")])

    assert log("%s") == ["Create c, update d, delete b", "Create a and b"]
    assert "moved from environments/dev/appconfigs/a.yaml" in log("%b")[0]
    assert log("%(trailers:key=Rowcast-Row,valueonly,separator=%x2C)") == ["3@1,1@2,2@2 deleted", "1@1,2@1"]
    assert log("%(trailers:key=Rowcast-Table,valueonly)") == ["app_configs", "app_configs"]


async def test_a_large_batch_is_counted_in_the_subject(target: GitTarget, log: Log) -> None:
    await target.deliver([saved(row, 1, f"a-{row}") for row in range(1, 71)])

    assert log("%s") == ["Create 70 configurations"]
    assert "- and 20 more" in log("%b")[0]
    assert len(log("%(trailers:key=Rowcast-Row,valueonly)")[0].split()) == 70


async def test_rows_are_answered_with_the_commit_that_holds_them(target: GitTarget, log: Log) -> None:
    first = await target.deliver([saved(1, 1, "a")])
    await target.deliver([saved(2, 1, "b")])
    again = await target.deliver([saved(1, 1, "a")])

    newest, oldest = log("%H")
    assert [result.reference for result in first.values() if isinstance(result, Delivered)] == [oldest]
    assert [result.reference for result in again.values() if isinstance(result, Delivered)] == [newest]


async def test_nothing_to_do_makes_no_commit(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([deleted(9, 1, "nobody")])
    assert place.version() == ""

    events = [saved(1, 2, "a"), saved(2, 1, "b")]
    await target.deliver(events)
    await target.deliver(events)
    await target.deliver([saved(1, 1, "late")])
    assert len(log("%H")) == 1


async def test_foreign_files_and_folders_stay_as_they_are(target: GitTarget, place: Git) -> None:
    clone = place.clone()
    theirs = {
        "README.md": "read me",
        "environments/dev/appconfigs/taken.yaml/inside": "a folder",
        "environments/prod": "a file",
    }
    for name, content in theirs.items():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text(content)
    commit_and_push(clone, "Theirs")

    results = await target.deliver([saved(1, 1, "taken"), saved(2, 1, "b", environment="prod"), saved(3, 1, "c")])

    # The branch was created behind our back, so the lost race is where we see their files.
    assert [isinstance(result, Failed) for result in results.values()] == [True, True, False]
    after = place.clone()
    assert {name: (after / name).read_text() for name in theirs} == theirs
    assert [int(held.row.key) for held in await target.inventory()] == [3]


@pytest.mark.parametrize("name", ["../../escape", "UPPER", "a/b", ".git", "", "a\nb", "-a", "a" * 300])
async def test_a_name_that_is_no_file_name_is_refused_for_its_row_only(
    target: GitTarget, place: Git, name: str
) -> None:
    results = await target.deliver([saved(1, 1, name), saved(2, 1, "b"), saved(3, 1, "c", environment=name)])

    for row in (1, 3):
        failed = results[app_config(row)]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, PermanentError)
        assert failed.error.reason == "invalid-name"
    assert set(place.observe()) == {"b"}


async def test_a_deletion_is_remembered_by_the_history(place: Git) -> None:
    late = saved(1, 1, "a")
    first = GitTarget(place.settings())
    await first.deliver([saved(1, 2, "a"), saved(2, 1, "b")])
    await first.deliver([deleted(1, 3, "a")])
    await first.deliver([saved(2, 2, "b")])
    await first.close()

    second = GitTarget(place.settings())
    (result,) = (await second.deliver([late])).values()
    await second.close()

    assert isinstance(result, Delivered)
    assert result.outcome == "stale"


async def test_a_file_that_a_person_moved_and_formatted_anew_is_still_the_rows(target: GitTarget, place: Git) -> None:
    await target.deliver([saved(1, 1, "a")])
    clone = place.clone()
    (clone / "environments/dev/mine").mkdir()
    git("-C", str(clone), "mv", "environments/dev/appconfigs/a.yaml", "environments/dev/mine/b.yml")
    path = clone / "environments/dev/mine/b.yml"
    path.write_text("# kept by hand\n" + path.read_text().replace('"', "'"))
    commit_and_push(clone, "Move it")
    assert [(int(held.row.key), held.key) for held in await target.inventory()] == [(1, "environments/dev/mine/b.yml")]

    await target.deliver([saved(1, 2, "a")])
    assert [held.key for held in await target.inventory()] == ["environments/dev/appconfigs/a.yaml"]


@pytest.mark.parametrize("text", ["🚀/release", "日本語", "e\u0301-combined", "\u200dوسم", "\U0001d4b3", "👩\u200d🚀"])
async def test_any_unicode_in_a_branch_or_a_persons_name_is_delivered(
    target: GitTarget, place: Git, log: Log, text: str
) -> None:
    await target.deliver([saved(1, 1, "a", branch=text, actor=f"Ann {text}")])

    assert place.observe()["a"].spec["branch"] == text
    assert log("%an") == [f"Ann {text}"]
    assert [one.digest for one in await target.inventory()] == [
        one.digest for one in target.expect(saved(1, 1, "a", branch=text, actor=f"Ann {text}"))
    ]


async def test_no_address_is_in_a_commit_unless_a_login_vouches_for_it(target: GitTarget, log: Log) -> None:
    await target.deliver([saved(1, 1, "a", actor="boss@example.org"), saved(2, 1, "b", actor="x <boss@example.org>")])
    assert "<boss@example.org>" not in log("%an <%ae>%n%B")[0]
