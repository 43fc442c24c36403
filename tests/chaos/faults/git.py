"""A branch that others push to, and disks that are full."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.arena import DISK_BYTES, Arena
from chaos.faults.fault import Doing, Fault

MALLORY = ("-c", "user.name=Mallory", "-c", "user.email=mallory@example.org")


@contextmanager
def foreign_pusher(arena: Arena, chance: random.Random) -> Iterator[None]:
    """Somebody pushes files of their own as often as they can; each of them must still be there in the end."""
    end = threading.Event()
    pushed: list[str] = []
    name = f"foreign-{chance.randrange(10**6)}"
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder)
        _git(clone, "clone", "--quiet", arena.repository.folder.as_uri(), ".")
        pusher = threading.Thread(target=_push, args=(clone, name, end, pushed), daemon=True)
        pusher.start()
        try:
            yield
        finally:
            end.set()
            pusher.join(60)
    listed = arena.repository.git("ls-tree", "-r", "--name-only", "refs/heads/main", "--", "notes").decode().split()
    if missing := sorted(set(pushed) - set(listed)):
        arena.damage.append(f"foreign files are gone: {missing[:5]}")
    arena.notes.append(f"{len(pushed)} foreign pushes")


def _push(clone: Path, name: str, end: threading.Event, pushed: list[str]) -> None:
    number = 0
    while not end.wait(0.05):
        number += 1
        path = f"notes/{name}-{number}.md"
        (clone / "notes").mkdir(exist_ok=True)
        (clone / path).write_text(f"{number}\n")
        _git(clone, "add", path)
        _git(clone, *MALLORY, "commit", "--quiet", "-m", f"Note {number}")
        while not end.is_set():
            if _git(clone, "push", "--quiet", check=False) == 0:
                pushed.append(path)
                break
            _git(clone, *MALLORY, "pull", "--quiet", "--rebase", check=False)


def _git(folder: Path, *arguments: str, check: bool = True) -> int:
    return subprocess.run(["git", *arguments], cwd=folder, check=check, capture_output=True, timeout=60).returncode


def full(disk: str) -> Doing:
    """Not a byte is left on the disk of the repository, or of sync-git's mirror."""

    @contextmanager
    def during(arena: Arena, _chance: random.Random) -> Iterator[None]:
        folder = arena.disks[disk]
        # Between measuring and this it may have grown, since the load goes on.
        while not _resize(folder, _used(folder)):
            pass
        try:
            yield
        finally:
            assert _resize(folder, DISK_BYTES)

    return during


def _used(folder: Path) -> int:
    space = os.statvfs(folder)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


def _resize(folder: Path, size: int) -> bool:
    """Whether it could be; a disk can't be smaller than what is on it."""
    command = ["mount", "-o", f"remount,size={size}", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def no_disks(arena: Arena) -> str | None:
    """Why no disk can be filled."""
    return None if arena.disks else "only root can mount a disk of a size of its own"


FAULTS = (
    Fault("a foreign pusher races", "git", foreign_pusher, (2, 8), "pusher"),
    Fault("full disk of the repository", "full disk", full("repository"), (1, 8), "repository", no_disks),
    Fault("full disk of the mirror", "full disk", full("mirror"), (1, 8), "mirror", no_disks),
)
