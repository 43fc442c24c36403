"""A real Gitea for all tests of this folder, and a repository of its own for each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitea_server import GiteaRepository, GiteaServer, gitea

from .review import Review


@pytest.fixture(scope="session")
def server() -> Iterator[GiteaServer]:
    folder = Path(tempfile.mkdtemp(prefix="rowcast-gitea-"))
    try:
        with gitea(folder) as running:
            for name in ("rowcast", "bob"):
                running.person(name)
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def repository(server: GiteaServer) -> GiteaRepository:
    """Bob's, to which Rowcast may write."""
    made = server.repository("bob")
    made.invite("rowcast")
    return made


@pytest.fixture
def review(repository: GiteaRepository, tmp_path: Path) -> Review:
    """Rowcast's side of that repository."""
    return Review(repository, tmp_path)
