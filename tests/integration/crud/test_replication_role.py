import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from rowcast.crud.migrations.migrate import migrate
from rowcast.crud.migrations.roles import RoleError, ensure_role, replication_role

from .serving import make_settings


@pytest.fixture(scope="module")
def as_connector(migrated_url: str) -> sa.Engine:
    url = make_url(migrated_url).set(username="rowcast_replication", password="replicate")
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")


def run(engine: sa.Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


def test_the_connector_can_read_the_table_and_beat_the_heart(as_connector: sa.Engine) -> None:
    run(as_connector, "SELECT * FROM app_configs")
    run(as_connector, "UPDATE public.rowcast_heartbeat SET beat_at = now()")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO app_configs (name, repository_url, environment) VALUES ('a', 'https://x/y', 'dev')",
        "DELETE FROM app_configs",
        "SELECT * FROM app_config_history",
        "SELECT * FROM sync_statuses",
        "DELETE FROM rowcast_heartbeat",
        "CREATE TABLE mine ()",
    ],
)
def test_the_connector_can_do_nothing_else(as_connector: sa.Engine, statement: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        run(as_connector, statement)


def test_the_role_may_replicate_and_log_in(sql: sa.Connection) -> None:
    query = "SELECT rolreplication, rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'rowcast_replication'"
    assert tuple(sql.execute(sa.text(query)).one()) == (True, True, False)


def test_the_publication_has_whole_rows_of_the_table_and_the_heartbeat(sql: sa.Connection) -> None:
    identity = "SELECT relreplident FROM pg_class WHERE oid = 'public.app_configs'::regclass"
    assert sql.execute(sa.text(identity)).scalar_one() == "f"
    tables = "SELECT tablename FROM pg_publication_tables WHERE pubname = 'rowcast' ORDER BY 1"
    assert sql.execute(sa.text(tables)).scalars().all() == ["app_configs", "rowcast_heartbeat"]


@contextmanager
def owned_database(sql: sa.Connection, database_url: str, rights: str) -> Iterator[str]:
    """The URL of a database whose owner isn't a superuser, as on a managed PostgreSQL. Roles are the whole server's,
    so these tests use names that no others have.
    """
    name = f"owner_{uuid.uuid4().hex[:8]}"
    sql.execute(sa.text(f"CREATE ROLE {name} LOGIN {rights} PASSWORD 'o'"))
    sql.execute(sa.text(f"CREATE DATABASE {name} OWNER {name}"))
    url = make_url(database_url).set(username=name, password="o", database=name)
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        sql.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        sql.execute(sa.text(f"DROP ROLE IF EXISTS {name}_replication"))
        sql.execute(sa.text(f"DROP ROLE {name}"))


def test_an_owner_without_superuser_migrates_and_changes_the_password(sql: sa.Connection, database_url: str) -> None:
    with owned_database(sql, database_url, "CREATEROLE REPLICATION") as owner:
        migrate(make_settings(owner))
        engine = sa.create_engine(owner, poolclass=sa.NullPool)
        role = f"{engine.url.username}_replication"
        verifiers = []
        for password in ("first", "se'c%ret:\\"):
            with engine.begin() as connection:
                ensure_role(connection, replication_role(role), SecretStr(password))
            found = sql.execute(sa.text("SELECT rolpassword FROM pg_authid WHERE rolname = :role"), {"role": role})
            verifiers.append(found.scalar_one())
        assert all(verifier.startswith("SCRAM-SHA-256$") for verifier in verifiers)
        assert verifiers[0] != verifiers[1]


def test_a_login_that_may_not_create_the_role_says_what_a_dba_should_run(sql: sa.Connection, database_url: str) -> None:
    with owned_database(sql, database_url, "") as owner:
        migrate(make_settings(owner))  # the role is there already, so nothing is needed but its grants
        engine = sa.create_engine(owner, poolclass=sa.NullPool)
        role = f"{engine.url.username}_replication"
        with engine.begin() as connection, pytest.raises(RoleError, match=f"CREATE ROLE {role} LOGIN"):
            ensure_role(connection, replication_role(role), SecretStr("x"))
        with pytest.raises(RoleError, match="ALTER ROLE rowcast_replication"):
            migrate(make_settings(owner, replication_password="x"))
