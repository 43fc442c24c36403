"""One server of each kind for all tests of a file, and a prefix for each test, so that they don't meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.brokers.servers import Server, server

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The kind is the test's parameter, or its file's `KIND`."""
    kind = getattr(request, "param", None) or request.module.KIND
    running = server(kind, tmp_path_factory.mktemp(kind))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def prefix() -> str:
    return f"test{next(_NUMBERS)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
