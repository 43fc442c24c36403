"""Brings a database to the level that this version of crud needs."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from rowcast.core.errors import TransientError
from rowcast.crud.access.database_roles import RoleError, check_owner, ensure_role, replication_role, serving_role
from rowcast.crud.database.connections import log_in_with, translated
from rowcast.crud.migrations.capture import put_right
from rowcast.crud.migrations.searches import index_searches
from rowcast.crud.settings import CrudSettings
from rowcast.crud.sources.renewal import renew
from rowcast.runtime.logging import get_logger

_LOCK = 7_769_671_832  # any number, the same for all migrating processes of a database
_FOLDER = Path(__file__).parent


def migrate(settings: CrudSettings) -> None:
    """Runs all migrations that are missing, and renews what captures tables; several processes may call it at once, one
    does the work.

    A database that a newer version has migrated is left as it is. Raises TransientError if the database doesn't answer,
    RoleError if a role can't be made, or the login is not the owner's.
    """
    log = get_logger("rowcast.crud.migrate")
    connect_args = {"connect_timeout": settings.database_connect_seconds, "application_name": "rowcast-migrate"}
    settings = settings.as_owner
    engine = create_engine(settings.sqlalchemy_url, poolclass=NullPool, connect_args=connect_args)
    log_in_with(engine, settings.database_password_file)
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
        # Held by a session of its own: a migration may end its transaction, as for CREATE INDEX CONCURRENTLY.
        lock.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        with engine.connect() as connection:
            check_owner(connection)
            before = current_level(connection)
            connection.rollback()
            if _is_newer(before):
                log.warning("left as it is: a newer version has migrated it", level=before, known=head_level())
                return
            _upgrade(connection)
            if before is None:
                # No sync of an earlier version is there to take its events for undecodable.
                connection.exec_driver_sql("SELECT rowcast.capture_configurations()")
                connection.exec_driver_sql("SELECT rowcast.compare_configurations(0)")
            connection.commit()
            with connection.begin():
                for fault in put_right(connection):
                    log.warning("put right", fault=fault)
                ensure_role(connection, replication_role(settings.replication_role), settings.replication_password)
                _ensure_serving_role(connection, settings)
                _name_slot(connection, settings.capture_slot)
            _renew_capture(connection)
    # Not while another process waits for its turn to migrate: this waits for the end of every statement before it.
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if reason := index_searches(connection):
            log.warning("searches read all rows", reason=reason)
    log.info("migrated", before=before, after=head_level())


def _renew_capture(connection: Connection) -> None:
    """What a version before has installed on tables goes on as this one would have made it."""
    log = get_logger("rowcast.crud.migrate")
    for each in renew(connection):
        if each.functions:
            log.info("capture renewed", renderer=each.renderer, functions=list(each.functions))
        for reason in each.trouble:
            log.warning("capture not renewed", renderer=each.renderer, reason=reason)


def _ensure_serving_role(connection: Connection, settings: CrudSettings) -> None:
    """Where nobody has set its password, nobody serves as it yet: that it can't be made stops no upgrade then."""
    if connection.exec_driver_sql("SELECT session_user").scalar() == settings.serving_role:
        return
    try:
        ensure_role(connection, serving_role(settings.serving_role), settings.serving_password)
    except RoleError as error:
        if settings.serving_password is not None:
            raise
        get_logger("rowcast.crud.migrate").warning("crud has no role of its own to serve as", reason=str(error))


def _name_slot(connection: Connection, slot: str) -> None:
    """Tells the trigger that marks how far the slot has confirmed which slot that is."""
    statement = text("UPDATE public.rowcast_heartbeat SET slot_name = :slot WHERE slot_name <> :slot")
    connection.execute(statement, {"slot": slot})


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


def check_level(connection: Connection) -> None:
    """Raises TransientError unless the database has what this code needs: its own level or one of a newer version.

    Migrations only add what the version before can do without, so that both run beside each other in an upgrade.
    """
    level = current_level(connection)
    if level != head_level() and not _is_newer(level):
        raise TransientError(f"the database is at migration {level}, this version needs {head_level()}")


def _is_newer(level: str | None) -> bool:
    return level is not None and level not in _known_levels()


@cache
def _known_levels() -> frozenset[str]:
    return frozenset(one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions())


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
