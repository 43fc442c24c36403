"""The real parts that tests share: one platform for a session, on free ports, in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowcast_local.platform import Platform
from world import World


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
        keep = Path(__file__).parents[1] / ".test-logs"
        shutil.rmtree(keep, ignore_errors=True)
        if running.state.logs.exists():
            shutil.copytree(running.state.logs, keep)
        running.destroy()


@pytest.fixture
def world(platform: Platform) -> World:
    """The whole platform, seen from outside; other tests' rows may be there: the three places are compared whole."""
    return World(platform.env())
