"""The role that the connector logs in as: it may replicate, read the captured table and beat the heart; no more."""

from psycopg2.extensions import encrypt_password  # type: ignore[import-untyped]
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rowcast.core.errors import RowcastError
from rowcast.crud.database import sqlstate

ROLE = "rowcast_replication"
_INSUFFICIENT_PRIVILEGE = "42501"

_CREATE = f"""
DO $$ BEGIN
    CREATE ROLE {ROLE} LOGIN REPLICATION NOINHERIT;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
_GRANTS = f"""
GRANT USAGE ON SCHEMA public TO {ROLE};
GRANT SELECT ON public.app_configs TO {ROLE};
GRANT UPDATE ON public.rowcast_heartbeat TO {ROLE};
"""


class ReplicationRoleError(RowcastError):
    """The role can't be made with the rights of the login that migrates; the message says what a DBA should run."""


def ensure_replication_role(connection: Connection, password: str | None) -> None:
    """Creates the role if need be, sets its password (if one is given) and its grants; run at every migration.

    Raises ReplicationRoleError if the database doesn't allow it.
    """
    if not _exists(connection):
        _as_dba(connection, _CREATE, password is not None)
    if password is not None:
        # Hashed here, so that the password itself never gets into the server's log.
        driver = connection.connection.driver_connection
        verifier = encrypt_password(password, ROLE, scope=driver, algorithm="scram-sha-256")
        _as_dba(connection, f"ALTER ROLE {ROLE} LOGIN REPLICATION PASSWORD '{verifier}'", True)
    connection.exec_driver_sql(_GRANTS)


def _exists(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'").scalar())  # noqa: S608 - a constant


def _as_dba(connection: Connection, statement: str, with_password: bool) -> None:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        password = " PASSWORD '<ROWCAST_REPLICATION_PASSWORD>'" if with_password else ""
        verb = "ALTER" if _exists(connection) else "CREATE"
        raise ReplicationRoleError(
            f"this login may not {verb.lower()} the role {ROLE} (it takes CREATEROLE and REPLICATION)."
            f" Let a DBA run: {verb} ROLE {ROLE} LOGIN REPLICATION NOINHERIT{password};"
            " then migrate without ROWCAST_REPLICATION_PASSWORD"
        ) from error
