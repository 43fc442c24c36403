from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from contract.targets.places import Git, git
from rowcast.sync.targets.git import GitTarget


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Git]:
    """A bare repository, which is sound when the test ends, whatever happened to it."""
    place = Git(tmp_path)
    yield place
    git("-C", str(place.repository), "fsck", "--full", "--strict")


@pytest.fixture
async def target(place: Git) -> AsyncIterator[GitTarget]:
    target = GitTarget(place.settings())
    await target.start()
    yield target
    await target.close()


@pytest.fixture
def log(place: Git) -> Callable[[str], list[str]]:
    """Formats every commit of the branch, newest first (git-log(1), "PRETTY FORMATS")."""

    def formatted(form: str) -> list[str]:
        out = git("-C", str(place.repository), "log", f"--format={form}%x00", "main")
        return [record.strip() for record in out.split("\0") if record.strip()]

    return formatted
