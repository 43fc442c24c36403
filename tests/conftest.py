"""The real parts that tests share: one platform for a session, on free ports, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowcast_local.platform import Platform
from world import World

SHARED = ("tests/browser/", "tests/integration/crud/", "tests/cluster/")
"""Folders whose tests share servers."""
LONGEST = ("tests/e2e/", "tests/chaos/", "tests/browser/", "tests/packaging/", "tests/integration/")
"""What begins first, where workers share the tests: with the shortest last, they end together."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several workers (`-n`) never start the same servers twice: whatever shares a fixture stays together."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _begins(item.nodeid))


def _group(item: pytest.Item) -> str:
    path = item.nodeid.partition("::")[0]
    if shared := next((folder for folder in SHARED if path.startswith(folder)), None):
        return shared
    on_platform = "platform" in getattr(item, "fixturenames", ()) or path.startswith("tests/contract/")
    return "platform" if on_platform else path


def _begins(nodeid: str) -> int:
    return next((place for place, path in enumerate(LONGEST) if nodeid.startswith(path)), len(LONGEST))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Every part, running and ready. Tests that need one part alone take their own corner of it."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-test-"))
    running = Platform(folder, free_ports=True)
    try:
        running.start()
        running.wait_ready()
        yield running
    finally:
        keep = Path(__file__).parents[1] / ".test-logs" / os.environ.get("PYTEST_XDIST_WORKER", "main")
        shutil.rmtree(keep, ignore_errors=True)
        if running.state.logs.exists():
            shutil.copytree(running.state.logs, keep)
        running.destroy()


@pytest.fixture
def world(platform: Platform) -> World:
    """The whole platform, seen from outside; other tests' rows may be there: the three places are compared whole."""
    return World(platform.env())
