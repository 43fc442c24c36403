"""Brings a database to the level that this version of crud needs."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from rowcast.crud.database import translated
from rowcast.crud.migrations.replication_role import ensure_replication_role
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.logging import get_logger

_LOCK = 7_769_671_832  # any number, the same for all migrating processes of a database
_FOLDER = Path(__file__).parent


def migrate(settings: CrudSettings) -> None:
    """Runs all migrations that are missing; several processes may call it at once, one does the work.

    Raises TransientError if the database doesn't answer, ReplicationRoleError if the role can't be made.
    """
    log = get_logger("rowcast.crud.migrate")
    connect_args = {"connect_timeout": settings.database_connect_seconds, "application_name": "rowcast-migrate"}
    engine = create_engine(settings.sqlalchemy_url, poolclass=NullPool, connect_args=connect_args)
    password = settings.replication_password
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
        # Held by a session of its own: a migration may end its transaction, as for CREATE INDEX CONCURRENTLY.
        lock.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        with engine.connect() as connection:
            before = current_level(connection)
            connection.rollback()
            _upgrade(connection)
            connection.commit()
            with connection.begin():
                ensure_replication_role(connection, password.get_secret_value() if password else None)
    log.info("migrated", before=before, after=head_level())


def current_level(connection: Connection) -> str | None:
    """The database's revision; None if it was never migrated."""
    if connection.exec_driver_sql("SELECT to_regclass('public.alembic_version')").scalar() is None:
        return None
    level: str | None = connection.exec_driver_sql("SELECT version_num FROM public.alembic_version").scalar()
    return level


@cache
def head_level() -> str:
    """The revision that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise AssertionError("the package holds no migrations")
    return head


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
