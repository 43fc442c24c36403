"""A renderer's table: what its applied declaration says of it, the catalogue does, and whether crud may change it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rowcast.core.shapes import RowShape, shape_of
from rowcast.core.source import Source
from rowcast.crud.errors import MissingError
from rowcast.crud.renderers import revisions
from rowcast.crud.sources.catalogue import Column, Table, read_table
from rowcast.crud.sources.grants import missing_grants
from rowcast.renderers.declaration import read_source
from rowcast.renderers.positions import ProblemsError


@dataclass(frozen=True)
class SourceTable:
    """`source` is None where this version can't read the declaration, `table` where it isn't there.

    `why` says why crud may not change its rows; None if it may. `ungranted`: the statements that would let it.
    """

    renderer: str
    revision: int
    text: str
    shape: RowShape
    source: Source | None
    table: Table | None
    why: str | None
    ungranted: Sequence[str] = ()

    @property
    def columns(self) -> Mapping[str, Column]:
        """Those that expressions have; empty where the table isn't known."""
        if self.source is None or self.table is None:
            return {}
        return {name: column for name, column in self.table.columns.items() if name not in self.source.exclude}


def source_table(connection: Connection, name: str) -> SourceTable:
    """Of a renderer. From here on the transaction has no search_path but pg_catalog. Raises MissingError."""
    row = revisions.get(connection, name)
    if row is None:
        raise MissingError(f"there is no renderer {name}")
    known = (name, row["revision"], row["text"], shape_of(row["shape"]))
    try:
        source = read_source(row["text"])
    except ProblemsError as error:
        return SourceTable(*known, None, None, f"its declaration can't be read: {error.problems[0]}")
    table = read_table(connection, source.table)
    if table is None:
        return SourceTable(*known, source, None, f"there is no table {source.table}")
    if not source.edit:
        return SourceTable(*known, source, table, "its declaration has no edit: true (spec.source.edit)")
    if row["fault"] is not None:
        return SourceTable(*known, source, table, f"{source.table} can't be captured any more: {row['fault']}")
    ungranted = missing_grants(connection, source.table)
    why = f"crud may not write {source.table}; its owner has to run: {'; '.join(ungranted)}" if ungranted else None
    return SourceTable(*known, source, table, why, ungranted)
