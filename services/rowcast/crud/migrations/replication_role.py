"""The role that the connector logs in as: it may replicate, read the captured table and beat the heart; no more."""

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rowcast.core.errors import RowcastError
from rowcast.crud.database import sqlstate

_INSUFFICIENT_PRIVILEGE = "42501"


class ReplicationRoleError(RowcastError):
    """The role can't be made with the rights of the login that migrates; the message says what a DBA should run."""


def ensure_replication_role(connection: Connection, password: str | None, role: str) -> None:
    """Creates the role if need be, sets its password (if one is given) and its grants; run at every migration.

    Raises ReplicationRoleError if the database doesn't allow it.
    """
    if not _exists(connection, role):
        _as_dba(connection, role, _creation(role), password is not None)
    if password is not None:
        # Hashed here, so that the password itself never gets into the server's log.
        driver = connection.connection.driver_connection
        verifier = encrypt_password(password, role, scope=driver, algorithm="scram-sha-256")
        _as_dba(connection, role, f"ALTER ROLE {role} LOGIN REPLICATION PASSWORD '{verifier}'", True)
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
    connection.exec_driver_sql(f"GRANT SELECT ON public.app_configs TO {role}")
    connection.exec_driver_sql(f"GRANT UPDATE ON public.rowcast_heartbeat TO {role}")


def _creation(role: str) -> str:
    # Roles belong to the whole server: a migration of another database may create it at the same moment.
    return f"""
    DO $$ BEGIN
        CREATE ROLE {role} LOGIN REPLICATION NOINHERIT;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$
    """


def _exists(connection: Connection, role: str) -> bool:
    return bool(connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).scalar())


def _as_dba(connection: Connection, role: str, statement: str, with_password: bool) -> None:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        password = " PASSWORD '<ROWCAST_REPLICATION_PASSWORD>'" if with_password else ""
        verb = "ALTER" if _exists(connection, role) else "CREATE"
        raise ReplicationRoleError(
            f"this login may not {verb.lower()} the role {role} (it takes CREATEROLE and REPLICATION)."
            f" Let a DBA run: {verb} ROLE {role} LOGIN REPLICATION NOINHERIT{password};"
            " then migrate without ROWCAST_REPLICATION_PASSWORD"
        ) from error
