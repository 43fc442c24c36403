"""What a role needs to change a table's rows through the API: which of it is missing, and giving it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, text
from sqlalchemy.exc import DBAPIError

from rowcast.core.source import TableName
from rowcast.crud.database.connections import sqlstate
from rowcast.crud.sources.triggers import identifier, qualified

_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
_REFUSED = ("42501", "42704")
"""SQLSTATE of a login that may not give it, and of a role that isn't there."""
# Whoever inserts calls the sequence of a `serial` column; that of an identity is the table's own business.
_HELD = text("""
SELECT 'SCHEMA' AS kind, namespace.nspname AS schema, NULL AS name,
    (SELECT has_schema_privilege(role.oid, namespace.oid, 'USAGE') FROM pg_roles AS role WHERE rolname = :role) AS held
FROM pg_namespace AS namespace WHERE namespace.nspname = :schema
UNION ALL
SELECT 'TABLE', :schema, class.relname, (
    SELECT has_table_privilege(role.oid, class.oid, 'SELECT') AND has_table_privilege(role.oid, class.oid, 'INSERT')
        AND has_table_privilege(role.oid, class.oid, 'UPDATE') AND has_table_privilege(role.oid, class.oid, 'DELETE')
    FROM pg_roles AS role WHERE rolname = :role)
FROM pg_class AS class WHERE class.oid = to_regclass(:table)
UNION ALL
SELECT 'SEQUENCE', namespace.nspname, sequence.relname,
    (SELECT has_sequence_privilege(role.oid, sequence.oid, 'USAGE') FROM pg_roles AS role WHERE rolname = :role)
FROM pg_attrdef AS preset
JOIN pg_depend AS use ON use.classid = CAST('pg_attrdef' AS regclass) AND use.objid = preset.oid
    AND use.refclassid = CAST('pg_class' AS regclass)
JOIN pg_class AS sequence ON sequence.oid = use.refobjid AND sequence.relkind = 'S'
JOIN pg_namespace AS namespace ON namespace.oid = sequence.relnamespace
WHERE preset.adrelid = to_regclass(:table)
""")


@dataclass(frozen=True)
class Grant:
    """A statement, and whether the role has what it gives."""

    statement: str
    held: bool


def editing_grants(connection: Connection, table: TableName, role: str | None = None) -> Sequence[Grant]:
    """All that `role` (the connection's, if None) needs to edit a table. A role that isn't there has none of it."""
    to = role or str(connection.exec_driver_sql("SELECT current_user").scalar_one())
    names = {"role": to, "schema": table.schema, "table": qualified(table)}
    found = connection.execute(_HELD, names).mappings()
    return [Grant(f"GRANT {_what(row)} TO {identifier(to)}", row["held"] is True) for row in found]


def missing_grants(connection: Connection, table: TableName, role: str | None = None) -> list[str]:
    """The statements of those that it lacks."""
    return [grant.statement for grant in editing_grants(connection, table, role) if not grant.held]


def grant_editing(connection: Connection, table: TableName, role: str) -> list[str]:
    """Give `role` what it lacks, as far as this login may; the statements of what it lacks then."""
    for statement in missing_grants(connection, table, role):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement.replace("%", "%%"))
        except DBAPIError as error:
            if sqlstate(error) not in _REFUSED:
                raise
    return missing_grants(connection, table, role)


def _what(row: RowMapping) -> str:
    kind, schema, name = row["kind"], row["schema"], row["name"]
    if kind == "SCHEMA":
        return f"USAGE ON SCHEMA {identifier(schema)}"
    on = qualified(TableName(schema, name))
    return f"{_RIGHTS} ON {on}" if kind == "TABLE" else f"USAGE ON SEQUENCE {on}"
