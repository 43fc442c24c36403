"""The real parts that tests share: one platform for a session, on free ports, in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from rowcast_local.platform import Platform


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


@pytest.fixture(scope="module")
def database_url(platform: Platform) -> Iterator[str]:
    """A fresh database, owner's access, nothing migrated."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = platform.env()["ROWCAST_DATABASE_URL"]
    administrate(server, f"CREATE DATABASE {name}")
    yield f"{server.rpartition('/')[0]}/{name}"
    administrate(server, f"DROP DATABASE {name} WITH (FORCE)")


def administrate(url: str, statement: str) -> None:
    """Run a statement that no transaction may hold."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
