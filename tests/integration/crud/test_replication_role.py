import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from processes import running
from rowcast.crud.access.database_roles import RoleError, ensure_role, replication_role
from rowcast.crud.migrations.migrate import migrate
from rowcast_local.accounts import service_account
from rowcast_local.credentials import Credentials
from rowcast_local.parts.postgres import REPLICATION, Postgres
from rowcast_local.ports import free_ports

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


def test_capture_can_keep_its_position_and_nobody_else_reads_it(as_connector: sa.Engine, sql: sa.Connection) -> None:
    run(as_connector, "INSERT INTO rowcast_capture_offsets VALUES ('mine', '{\"lsn\": 1}', '7', 1)")
    run(as_connector, "UPDATE rowcast_capture_offsets SET position = '{\"lsn\": 2}' WHERE slot_name = 'mine'")
    run(as_connector, "DELETE FROM rowcast_capture_offsets WHERE slot_name = 'mine'")
    who = (
        "SELECT DISTINCT grantee FROM information_schema.role_table_grants WHERE table_name = 'rowcast_capture_offsets'"
    )
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'rowcast_capture_offsets'"
    assert set(sql.execute(sa.text(who)).scalars()) == {"rowcast_replication", sql.execute(sa.text(owner)).scalar()}


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


def test_the_publication_has_whole_rows_of_the_captured_table_and_the_heartbeat(sql: sa.Connection) -> None:
    identity = "SELECT relreplident FROM pg_class WHERE oid = 'rowcast.rows'::regclass"
    assert sql.execute(sa.text(identity)).scalar_one() == "f"
    tables = "SELECT tablename FROM pg_publication_tables WHERE pubname = 'rowcast' ORDER BY 1"
    assert sql.execute(sa.text(tables)).scalars().all() == ["rowcast_heartbeat", "rows"]


@pytest.fixture
def local_server(postgres_binaries: Path) -> Iterator[Postgres]:
    """The local platform's database, with its own rules of who gets in, migrated."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-hba-"))
    folder.chmod(0o711)
    server = Postgres(postgres_binaries, folder / "data", next(free_ports()), Credentials(), service_account())
    server.prepare()
    try:
        with running(server.program(), server.ready, folder / "log"):
            credentials = server.credentials
            passwords = {"serving": credentials.database_serving, "replication": credentials.replication}
            given = {f"{name}_password": password for name, password in passwords.items()}
            migrate(make_settings(server.serving_url, owner_url=server.url, **given))
            yield server
    finally:
        shutil.rmtree(folder)


def test_who_replicates_gets_into_rowcasts_database_alone_and_cannot_copy_the_server(local_server: Postgres) -> None:
    login = (
        f"host=127.0.0.1 port={local_server.port} user={REPLICATION} password={local_server.credentials.replication}"
    )

    psycopg2.connect(f"{login} dbname=rowcast").close()
    psycopg2.connect(f"{login} dbname=rowcast replication=database").close()
    for refused in ("dbname=postgres", "dbname=postgres replication=database", "dbname=rowcast replication=true"):
        with pytest.raises(psycopg2.OperationalError, match="rejects"):
            psycopg2.connect(f"{login} {refused}").close()


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


def test_replicating_reads_what_its_grants_do_not_let_it_read(local_server: Postgres) -> None:
    """What PostgreSQL can't limit, as decision 22 says: if this fails one day, that page is to be mended."""
    with psycopg2.connect(
        host="127.0.0.1",
        port=local_server.port,
        dbname="rowcast",
        user=REPLICATION,
        password=local_server.credentials.replication,
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_create_logical_replication_slot('curious', 'test_decoding', true)")
            with psycopg2.connect(local_server.url) as owner, owner.cursor() as writer:
                writer.execute(
                    "INSERT INTO app_configs (name, repository_url, environment) VALUES ('seen', 'https://x/y', 'dev')"
                )
            cursor.execute("SELECT data FROM pg_logical_slot_peek_changes('curious', NULL, NULL)")
            assert any("app_config_history" in data for (data,) in cursor.fetchall())
