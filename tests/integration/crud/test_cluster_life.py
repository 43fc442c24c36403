"""What a cluster does to crud while it runs: versions side by side, passwords that change, neighbours on one server."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from rowcast.cli import app
from rowcast.crud.migrations.migrate import head_level, migrate

from .serving import make_settings, serving


@contextmanager
def level(sql: sa.Connection, other: str) -> Iterator[None]:
    sql.execute(sa.text("UPDATE alembic_version SET version_num = :other"), {"other": other})
    try:
        yield
    finally:
        sql.execute(sa.text("UPDATE alembic_version SET version_num = :head"), {"head": head_level()})


def test_a_database_that_a_newer_version_has_migrated_keeps_serving_and_is_left_as_it_is(
    crud: httpx.Client, sql: sa.Connection, migrated_url: str
) -> None:
    with level(sql, "9999"):
        assert crud.get("/readyz").status_code == 200
        assert crud.get("/appconfigs").status_code == 200
        migrate(make_settings(migrated_url))
        assert sql.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_a_database_that_still_has_to_be_migrated_is_not_ready(crud: httpx.Client, sql: sa.Connection) -> None:
    with level(sql, "0001"):
        ready = crud.get("/readyz")
    assert (ready.status_code, list(ready.json()["failures"])) == (503, ["migrations"])
    assert f"this version needs {head_level()}" in ready.json()["failures"]["migrations"]


@pytest.fixture
def login(sql: sa.Connection) -> Iterator[str]:
    name = f"owner_{uuid.uuid4().hex[:8]}"
    sql.execute(sa.text(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'first'"))
    yield name
    sql.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"))
    sql.execute(sa.text(f"DROP ROLE {name}"))


def test_a_password_that_changes_needs_no_restart(
    migrated_url: str, sql: sa.Connection, login: str, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("first\n")
    url = make_url(migrated_url).set(username=login, password="stale")
    settings = make_settings(url.render_as_string(hide_password=False), database_password_file=secret)
    migrate(settings)
    with serving(settings) as client:
        assert client.get("/appconfigs").status_code == 200

        sql.execute(sa.text(f"ALTER ROLE {login} PASSWORD 'second'"))
        sql.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{login}'"))
        assert client.get("/appconfigs").status_code == 503
        secret.unlink()
        assert client.get("/appconfigs").status_code == 503
        secret.write_text("second\n")

        assert client.get("/appconfigs").status_code == 200
        assert client.get("/readyz").status_code == 200


def test_platforms_that_share_a_server_have_replication_roles_of_their_own(
    migrated_url: str, sql: sa.Connection
) -> None:
    migrate(make_settings(migrated_url, replication_role="second_replication", replication_password="two"))
    first, second = (
        make_url(migrated_url).set(username=name, password=password)
        for name, password in (("rowcast_replication", "replicate"), ("second_replication", "two"))
    )
    for url in (first, second):
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM app_configs")).scalar_one() >= 0
        engine.dispose()
    sql.execute(sa.text("DROP OWNED BY second_replication"))
    sql.execute(sa.text("DROP ROLE second_replication"))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 1, "the database doesn't answer"),
        (["--wait", "--timeout", "0.3"], 3, "not within 0.3 s: the database doesn't answer"),
    ],
)
def test_migrating_waits_for_the_database_only_when_told_and_only_so_long(
    options: list[str], code: int, words: str
) -> None:
    environment = {"ROWCAST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}

    ran: Any = CliRunner(env=environment).invoke(app, ["crud", "migrate", *options])

    assert (ran.exit_code, words in ran.stderr) == (code, True)
