"""The roles beside the owner, each with the least that it needs: one that crud serves as, one that replicates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import encrypt_password
from pydantic import SecretStr
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from rowcast.core.errors import RowcastError
from rowcast.crud.database.connections import sqlstate
from rowcast.crud.database.tables import metadata

_INSUFFICIENT_PRIVILEGE = "42501"
_TABLES = (
    *metadata.tables,
    "public.rowcast_heartbeat",
    "public.rowcast_capture_offsets",
    "public.alembic_version",
)


class RoleError(RowcastError):
    """The role can't be made with the rights of the login that migrates; the message says what a DBA should run."""


@dataclass(frozen=True)
class Role:
    """`attributes` as CREATE ROLE has them; `grants` by table, with its schema; `calls`: functions, with their
    arguments. `password_setting` names a setting.
    """

    name: str
    attributes: str
    takes: str
    password_setting: str
    grants: Mapping[str, str] = field(default_factory=dict)
    calls: Sequence[str] = ()


def replication_role(name: str) -> Role:
    """What capture logs in as: it reads the captured tables, beats the heart, and keeps how far it has read.

    REPLICATION by itself lets it read every change of every table in each database that it may connect to, by an output
    plugin of its choice; PostgreSQL has nothing that limits it to a publication.
    """
    grants = {
        "public.app_configs": "SELECT",
        "rowcast.rows": "SELECT",
        "public.rowcast_heartbeat": "UPDATE",
        "public.rowcast_capture_offsets": "SELECT, INSERT, UPDATE, DELETE",
    }
    return Role(
        name, "LOGIN REPLICATION NOINHERIT", "CREATEROLE and REPLICATION", "ROWCAST_REPLICATION_PASSWORD", grants
    )


_ROLLOUT_FUNCTIONS = ("rowcast.assign_revision(bigint, integer, text[])", "rowcast.switch_revision(bigint)")
"""They write what is captured, as its owner: no more than revisions that are kept, for a roll-out that is under way."""
_CONFIGURATION_FUNCTIONS = ("rowcast.capture_configurations()", "rowcast.compare_configurations(integer)")
"""They make `rowcast.rows` say of configurations what their table says, as its owner."""
_CONTENT = "name, repository_url, branch, environment, application"


def serving_role(name: str) -> Role:
    """What crud serves as: it changes rows and its own bookkeeping, and reads the rest. Triggers write the history."""
    grants = {
        "public.app_configs": f"SELECT, INSERT ({_CONTENT}), UPDATE ({_CONTENT}, updated_by), DELETE",
        "public.app_config_history": "SELECT",
        # To lock a row, here and of `rowcast.rows`, takes UPDATE of some column.
        "public.app_config_deletions": "SELECT, UPDATE (deleted_at), DELETE",
        "public.sync_statuses": "SELECT, INSERT, UPDATE",
        "public.gitops_progress": "SELECT, INSERT, UPDATE, DELETE",
        "public.dead_letters": "SELECT, INSERT, UPDATE",
        "public.dead_letter_receipts": "SELECT, INSERT",
        "public.rowcast_heartbeat": "SELECT",
        "rowcast.rows": "SELECT, UPDATE (traceparent)",
        "rowcast.row_history": "SELECT",
        "rowcast.environments": "SELECT, UPDATE (environment, awaited)",
        "rowcast.sources": "SELECT",
        "rowcast.outstanding": "SELECT, DELETE",
        "rowcast.outstanding_for": "SELECT",
        "rowcast.renderers": "SELECT",
        "rowcast.promotions": "SELECT, INSERT, UPDATE",
        "rowcast.proposals": "SELECT, INSERT, UPDATE",
        "rowcast.statuses": "SELECT, INSERT, UPDATE",
        "rowcast.rollouts": "SELECT, INSERT, UPDATE",
        "rowcast.rollout_rows": "SELECT, INSERT, DELETE",
        "rowcast.audit": "SELECT, INSERT",
        "public.alembic_version": "SELECT",
    }
    prunes = [f"rowcast.prune_{what}(interval, integer)" for what in ("tombstones", "audit", "proposals")]
    calls = (*_ROLLOUT_FUNCTIONS, *_CONFIGURATION_FUNCTIONS, *prunes, "rowcast.find_outstanding(text[])")
    return Role(name, "LOGIN NOINHERIT", "CREATEROLE", "ROWCAST_SERVING_PASSWORD", grants, calls)


def ensure_role(connection: Connection, role: Role, password: SecretStr | None) -> None:
    """Creates the role if need be, sets its password (if one is given) and its grants, no others; run at every
    migration. Raises RoleError if the database doesn't allow it.
    """
    if not _exists(connection, role.name):
        _as_dba(connection, role, _creation(role), password is not None)
    if password is not None:
        # Hashed here, so that the password itself never gets into the server's log.
        driver = connection.connection.driver_connection
        verifier = encrypt_password(password.get_secret_value(), role.name, scope=driver, algorithm="scram-sha-256")
        attributes = role.attributes.removesuffix(" NOINHERIT")
        _as_dba(connection, role, f"ALTER ROLE {role.name} {attributes} PASSWORD '{verifier}'", True)
    connection.exec_driver_sql(f"REVOKE ALL ON {', '.join(_TABLES)} FROM {role.name}")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public, rowcast TO {role.name}")
    for table, rights in role.grants.items():
        connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {role.name}")
    for function in role.calls:
        connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {function} TO {role.name}")


_OWNER = text("""
SELECT session_user AS login, pg_get_userbyid(relowner) AS owner FROM pg_class
WHERE oid = to_regclass('public.app_configs') AND NOT pg_has_role(session_user, relowner, 'MEMBER')
""")


def check_owner(connection: Connection) -> None:
    """Raises RoleError if another role made the tables."""
    other = connection.execute(_OWNER).mappings().one_or_none()
    if other is not None:
        raise RoleError(
            f"{other['login']} can't migrate: the tables are {other['owner']}'s."
            " Name the owner's access by ROWCAST_OWNER_URL, or by ROWCAST_DATABASE_URL of rowcast crud migrate"
        )


def _creation(role: Role) -> str:
    # Roles belong to the whole server: a migration of another database may create it at the same moment.
    return f"""
    DO $$ BEGIN
        CREATE ROLE {role.name} {role.attributes};
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$
    """


def _exists(connection: Connection, role: str) -> bool:
    return bool(connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).scalar())


def _as_dba(connection: Connection, role: Role, statement: str, with_password: bool) -> None:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        password = f" PASSWORD '<{role.password_setting}>'" if with_password else ""
        verb = "ALTER" if _exists(connection, role.name) else "CREATE"
        raise RoleError(
            f"this login may not {verb.lower()} the role {role.name} (it takes {role.takes})."
            f" Let a DBA run: {verb} ROLE {role.name} {role.attributes}{password};"
            f" then migrate without {role.password_setting}"
        ) from error


_RIGHTS = text("""
SELECT rolname AS login, rolsuper AS "is a superuser", rolcreaterole AS "makes roles", rolreplication AS "replicates",
    rolbypassrls AS "bypasses row security",
    pg_has_role(session_user, relowner, 'MEMBER') AS "owns the table",
    has_table_privilege(session_user, 'public.app_config_history', 'INSERT, UPDATE, DELETE, TRUNCATE')
        AS "may write the history"
FROM pg_roles, pg_class WHERE rolname = session_user AND pg_class.oid = to_regclass('public.app_configs')
""")


def excess_rights(connection: Connection) -> tuple[str, Sequence[str]]:
    """The login of this connection, and what it may do that serving doesn't take, in words."""
    row = dict(connection.execute(_RIGHTS).mappings().one())
    login: str = row.pop("login")
    # A superuser may do all of it; one word says so.
    excess = [words for words, may in row.items() if may]
    return login, excess[:1] if row["is a superuser"] else excess
