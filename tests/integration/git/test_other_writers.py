"""Somebody else writes to the branch, too."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.targets.places import Git, commit_and_push, git
from contract.targets.rows import deleted, saved
from rowcast.sync.targets.git import GitTarget

pytestmark = pytest.mark.anyio

Log = Callable[[str], list[str]]


def write(clone: Path, name: str, content: str = "theirs\n") -> None:
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text(content)


async def test_a_lost_race_is_delivered_on_the_new_tip(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([saved(1, 1, "a")])
    clone = place.clone()
    write(clone, "theirs")
    commit_and_push(clone, "Theirs")

    await target.deliver([saved(1, 2, "a")])

    assert log("%s") == ["Update a", "Theirs", "Create a"]
    assert (place.clone() / "theirs").read_text() == "theirs\n"


async def test_what_the_other_writer_changed_of_ours_is_judged_anew(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    clone = place.clone()
    git("-C", str(clone), "rm", "--quiet", "environments/dev/appconfigs/a.yaml", "environments/dev/appconfigs/b.yaml")
    commit_and_push(clone, "Remove them")

    await target.deliver([saved(1, 2, "a"), deleted(2, 2, "b")])

    assert log("%s") == ["Create a", "Remove them", "Create a and b"]
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2}


async def test_two_writers_at_once_lose_nothing(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([saved(1, 1, "a")])
    clone = place.clone()

    def other_writer() -> None:
        for number in range(10):
            write(clone, f"theirs-{number}")
            git("-C", str(clone), "add", "--all")
            git("-C", str(clone), "-c", "user.name=S", "-c", "user.email=s@example.org", "commit", "-qm", f"T{number}")
            while subprocess.run(
                ["git", "-C", str(clone), "push", "-q", "origin", "HEAD:main"], capture_output=True
            ).returncode:
                git(
                    "-C",
                    str(clone),
                    "-c",
                    "user.name=S",
                    "-c",
                    "user.email=s@example.org",
                    "pull",
                    "-q",
                    "--rebase",
                    "origin",
                    "main",
                )

    async def ours() -> None:
        for generation in range(2, 22):
            await target.deliver([saved(1, generation, "a"), saved(generation, 1, f"row-{generation}")])

    await asyncio.gather(asyncio.to_thread(other_writer), ours())

    after = place.clone()
    assert {path.name for path in after.glob("theirs-*")} == {f"theirs-{number}" for number in range(10)}
    assert place.observe()["a"].generation == 21
    assert len(place.observe()) == 21
    assert len(log("%H")) == 1 + 10 + 20


async def test_commits_that_somebody_took_back_are_not_brought_back(target: GitTarget, place: Git, log: Log) -> None:
    """The branch is reset to an ancestor of what we hold: a push without a lease would pass as a fast-forward."""
    await target.deliver([saved(1, 1, "a")])
    await target.deliver([saved(2, 1, "b")])
    git("-C", str(place.repository), "update-ref", "refs/heads/main", "main~1")

    await target.deliver([saved(3, 1, "c")])

    assert log("%s") == ["Create c", "Create a"]
    assert set(place.observe()) == {"a", "c"}


async def test_an_unrelated_history_is_read_anew(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    clone = place.clone()
    git("-C", str(clone), "checkout", "--quiet", "--orphan", "new")
    git("-C", str(clone), "rm", "--quiet", "--force", "environments/dev/appconfigs/b.yaml")
    commit_and_push(clone, "Begin anew", "--force")

    assert [int(held.row.key) for held in await target.inventory()] == [1]
    await target.deliver([saved(2, 2, "b"), saved(1, 2, "a")])
    assert log("%s") == ["Create b, update a", "Begin anew"]


async def test_a_deleted_branch_is_begun_again(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([saved(1, 1, "a")])
    git("-C", str(place.repository), "update-ref", "-d", "refs/heads/main")

    await target.deliver([saved(2, 1, "b")])

    assert log("%s") == ["Create b"]
    assert list(await target.inventory()) != []


async def test_an_instance_elsewhere_that_deleted_a_row_is_believed(target: GitTarget, place: Git) -> None:
    late = saved(1, 1, "a")
    await target.deliver([late, saved(2, 1, "b")])
    other = GitTarget(place.settings(cache=place.settings().cache / "other"))
    await other.deliver([deleted(1, 2, "a")])
    await other.close()

    await target.deliver([saved(2, 2, "b")])
    await target.deliver([saved(1, 1, "a")])

    assert set(place.observe()) == {"b"}
