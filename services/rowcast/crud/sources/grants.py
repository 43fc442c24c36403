"""What a role needs to change a table's rows through the API: which of it is missing, giving it, and taking it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, text
from sqlalchemy.exc import DBAPIError

from rowcast.core.source import Source, TableName
from rowcast.crud.database.connections import sqlstate
from rowcast.crud.database.tables import metadata
from rowcast.crud.sources.triggers import identifier, qualified
from rowcast.renderers.declaration import read_source
from rowcast.renderers.positions import ProblemsError

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
# What was given by name, on the table and on its sequences; an owner's right is its own.
_GIVEN = text("""
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, nspname AS schema, relname AS name
FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
WHERE (class.oid = to_regclass(:table) OR class.oid IN (
        SELECT use.refobjid FROM pg_attrdef AS preset
        JOIN pg_depend AS use ON use.classid = CAST('pg_attrdef' AS regclass) AND use.objid = preset.oid
            AND use.refclassid = CAST('pg_class' AS regclass)
        WHERE preset.adrelid = to_regclass(:table) AND relkind = 'S'))
    AND EXISTS (SELECT FROM aclexplode(relacl) AS acl JOIN pg_roles AS role ON role.oid = acl.grantee
        WHERE rolname = :role AND acl.grantee <> relowner)
ORDER BY kind DESC, schema, name
""")
_SOURCES = text("""
SELECT renderer.name = :renderer AS its, renderer."text" FROM rowcast.renderers AS renderer
LEFT JOIN rowcast.sources AS live ON (live.renderer, live.revision) = (renderer.name, renderer.revision)
WHERE renderer."text" LIKE '%edit%' AND (renderer.name = :renderer OR live.renderer IS NOT NULL)
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
    _run(connection, missing_grants(connection, table, role))
    return missing_grants(connection, table, role)


def excess_grants(connection: Connection, renderer: str, role: str, source: Source | None = None) -> list[str]:
    """The statements that take from `role` what it was given by revisions of a renderer, for tables that no declaration
    edits any more; `source` is the renderer's from now on, None if that is deleted. Tables of ours aren't among them.
    """
    given: set[TableName] = set()
    needed = {source.table} if source is not None and source.edit else set()
    for row in connection.execute(_SOURCES, {"renderer": renderer}).mappings():
        try:
            one = read_source(row["text"])
        except ProblemsError:
            continue
        if one.edit:
            (given if row["its"] else needed).add(one.table)
    ours = {TableName(table.schema or "public", table.name) for table in metadata.tables.values()}
    return [each for table in sorted(given - needed - ours, key=str) for each in _taking(connection, table, role)]


def revoke_editing(connection: Connection, renderer: str, role: str, source: Source | None = None) -> list[str]:
    """Take that away, as far as this login may; the statements of what is left of it."""
    _run(connection, excess_grants(connection, renderer, role, source))
    return excess_grants(connection, renderer, role, source)


def revocation(connection: Connection, table: TableName, role: str) -> list[str]:
    """The statements that take from `role` what `editing_grants` gives, but for the schema, which others may need."""
    names = {"role": role, "schema": table.schema, "table": qualified(table)}
    found = connection.execute(_HELD, names).mappings()
    return [f"REVOKE {_what(row)} FROM {identifier(role)}" for row in found if row["kind"] != "SCHEMA"]


def _taking(connection: Connection, table: TableName, role: str) -> Iterator[str]:
    for row in connection.execute(_GIVEN, {"table": qualified(table), "role": role}).mappings():
        yield f"REVOKE {_what(row)} FROM {identifier(role)}"


def _run(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement.replace("%", "%%"))
        except DBAPIError as error:
            if sqlstate(error) not in _REFUSED:
                raise


def _what(row: RowMapping) -> str:
    kind, schema, name = row["kind"], row["schema"], row["name"]
    if kind == "SCHEMA":
        return f"USAGE ON SCHEMA {identifier(schema)}"
    on = qualified(TableName(schema, name))
    return f"{_RIGHTS} ON {on}" if kind == "TABLE" else f"USAGE ON SEQUENCE {on}"
