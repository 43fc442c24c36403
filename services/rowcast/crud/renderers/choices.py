"""What a foreign key of a renderer's table may be: values of the table that it refers to, searched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import quoted_name

from rowcast.core.source import TableName
from rowcast.crud.database.text_search import contains_in_any_case
from rowcast.crud.errors import FieldError
from rowcast.crud.renderers.tables import SourceTable
from rowcast.crud.sources.catalogue import ForeignKey, read_table
from rowcast.crud.sources.triggers import identifier, qualified

LABELS = ("name", "title", "label", "display_name", "slug")
"""Columns that people know a row by. No other is read: it may be a secret."""
_MAY_READ = sa.text("""
SELECT has_schema_privilege(namespace.oid, 'USAGE') AS usage, has_table_privilege(class.oid, 'SELECT') AS "select"
FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
WHERE class.oid = to_regclass(:table)
""")


@dataclass(frozen=True)
class Choices:
    """Rows with `value` and `label` (None without one), in the order of values as text; `more`: there are others.

    `why`: what keeps crud from reading the other table, with the statements that would let it.
    """

    items: list[Mapping[str, Any]]
    more: bool = False
    why: str | None = None


def choices(
    connection: Connection, table: SourceTable, column: str, search: str | None, after: str | None, limit: int
) -> Choices:
    """Of a column that is a foreign key by itself, and that rows have. Raises FieldError for any other."""
    key = _foreign_key(table, column)
    if why := _unreadable(connection, key.table):
        return Choices([], why=why)
    there = read_table(connection, key.table)
    columns = {} if there is None else there.columns
    name = next((each for each in LABELS if each in columns and each != key.referenced[0]), None)
    of = sa.table(
        quoted_name(key.table.name, True),
        *(sa.column(quoted_name(each, True)) for each in columns),
        schema=quoted_name(key.table.schema, True),
    )
    value = sa.cast(of.c[key.referenced[0]], sa.Text).collate("C")
    label = sa.cast(sa.null() if name is None else of.c[name], sa.Text)
    query = sa.select(value.label("value"), label.label("label")).where(of.c[key.referenced[0]].is_not(None))
    if search:
        query = query.where(contains_in_any_case(value, search) | contains_in_any_case(label, search))
    if after is not None:
        query = query.where(value > after)
    found = connection.execute(query.order_by(value).limit(limit + 1)).mappings().all()
    return Choices([dict(row) for row in found[:limit]], more=len(found) > limit)


def _foreign_key(table: SourceTable, column: str) -> ForeignKey:
    keys = table.table.foreign_keys if table.table is not None else ()
    found = next((key for key in keys if key.columns == (column,)), None)
    if found is None or column not in table.columns:
        raise FieldError("column", "foreign-key", f"{column!r} is no column that refers to another table by itself")
    return found


def _unreadable(connection: Connection, table: TableName) -> str | None:
    held = connection.execute(_MAY_READ, {"table": qualified(table)}).mappings().one_or_none()
    role = identifier(str(connection.exec_driver_sql("SELECT current_user").scalar_one()))
    if held is None:
        return f"there is no table {table}"
    grants = [f"GRANT USAGE ON SCHEMA {identifier(table.schema)} TO {role}"] if not held["usage"] else []
    grants += [f"GRANT SELECT ON {qualified(table)} TO {role}"] if not held["select"] else []
    return f"crud may not read {table}; its owner has to run: {'; '.join(grants)}" if grants else None
