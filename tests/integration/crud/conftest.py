"""crud on a PostgreSQL of its own: these tests make roles and outages, which a shared server must not have."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

import database_server
from rowcast.crud.migrations.migrate import migrate

from .serving import make_settings, serving


@pytest.fixture(scope="session")
def postgres_binaries(pytestconfig: pytest.Config) -> Path:
    """From the cache that `./task up` fills, which this fills too; of another version with `--postgres`."""
    major = pytestconfig.getoption("--postgres")
    return database_server.older_binaries(major) if major else database_server.binaries()


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries: Path) -> Iterator[str]:
    """A superuser's URL of a running server, without a database's name."""
    with database_server.serving(postgres_binaries) as url:
        yield url


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
def serving_url(migrated_url: str) -> str:
    """The same database's, as the role that crud serves as, with nothing but that role's grants."""
    migrate(make_settings(migrated_url, serving_password="serve"))
    url = make_url(migrated_url).set(username="rowcast_crud", password="serve")
    return url.render_as_string(hide_password=False)


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
