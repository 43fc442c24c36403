"""Trouble that only a person can end: the error says what to do, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.targets.places import Git, git
from contract.targets.rows import deleted, saved
from leaving_out import leave_out
from rowcast.core.errors import TransientError
from rowcast.sync.targets.git import GitTarget

pytestmark = pytest.mark.anyio

Log = Callable[[str], list[str]]
DISK = 4 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    if os.geteuid() != 0 or sys.platform != "linux":
        leave_out("only root can mount a disk that gets full")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "rowcast-test", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        leave_out("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk does not get full")


@pytest.mark.parametrize(
    "words",
    [
        "GitLab: You are not allowed to push code to protected branches on this project.",
        "error: GH006: Protected branch update failed for refs/heads/main.",
        "Gitea: Not allowed to push to protected branch main",
    ],
)
async def test_a_protected_branch_is_told_in_the_forges_words_with_what_to_do(
    target: GitTarget, place: Git, words: str
) -> None:
    protection = place.repository / "hooks" / "pre-receive"
    protection.parent.mkdir(exist_ok=True)
    protection.write_text(f"#!/bin/sh\necho '{words}' >&2; exit 1\n")
    protection.chmod(0o755)
    with pytest.raises(TransientError, match="the branch is protected: let Rowcast's user push") as refused:
        await target.deliver([saved(1, 1, "a")])
    assert words in str(refused.value)
    assert place.observe() == {}

    protection.unlink()
    await target.deliver([saved(1, 1, "a")])
    assert set(place.observe()) == {"a"}


async def test_a_persons_merge_is_built_upon_with_both_its_sides(target: GitTarget, place: Git, log: Log) -> None:
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    clone = place.clone()
    identity = ("-c", "user.name=S", "-c", "user.email=s@example.org")
    git("-C", str(clone), "checkout", "-q", "-b", "side")
    git("-C", str(clone), "rm", "-q", "environments/dev/appconfigs/b.yaml")
    git("-C", str(clone), *identity, "commit", "-qm", "Without b")
    await target.deliver([saved(1, 2, "a")])
    git("-C", str(clone), "checkout", "-q", "main")
    git("-C", str(clone), "pull", "-q", "--ff-only")
    git("-C", str(clone), *identity, "merge", "-q", "--no-ff", "-m", "Merge side", "side")
    git("-C", str(clone), "push", "-q", "origin", "HEAD:main")

    await target.deliver([saved(2, 2, "b"), saved(3, 1, "c"), deleted(1, 3, "a")])
    assert log("%s")[:2] == ["Create b and c, delete a", "Merge side"]
    assert set(place.observe()) == {"b", "c"}


async def test_a_remote_whose_disk_is_full_says_so_and_gets_everything_later(disk: Path) -> None:
    place = Git(disk)
    target = GitTarget(place.settings(cache=disk.parent / "cache"))
    await target.deliver([saved(1, 1, "a")])
    ballast = fill(disk)
    with pytest.raises(TransientError, match="a disk is full: make room"):
        await target.deliver([saved(1, 2, "a"), saved(2, 1, "b")])

    ballast.unlink()
    await target.deliver([saved(1, 2, "a"), saved(2, 1, "b")])
    await target.close()
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2, "b": 1}
    git("-C", str(place.repository), "fsck", "--full", "--strict")


async def test_a_cache_whose_disk_is_full_says_so_and_delivers_later(place: Git, disk: Path) -> None:
    target = GitTarget(place.settings(cache=disk / "cache"))
    await target.deliver([saved(1, 1, "a")])
    ballast = fill(disk)
    with pytest.raises(TransientError, match="No space left"):
        await target.deliver([saved(1, 2, "a"), saved(2, 1, "b")])

    ballast.unlink()
    await target.deliver([saved(1, 2, "a"), saved(2, 1, "b")])
    await target.close()
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2, "b": 1}
