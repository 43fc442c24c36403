"""Whether tables are still captured as their declarations say: what is wrong with each, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, text

from rowcast.core.shapes import Column, RowShape, shape_of
from rowcast.core.source import Source, TableName
from rowcast.crud.sources.catalogue import Table, read_table
from rowcast.crud.sources.triggers import qualified
from rowcast.renderers.declaration import read_source
from rowcast.renderers.positions import ProblemsError

_SOURCES = text("""
SELECT source.renderer, source.revision, source.fault, renderer."text", renderer.shape
FROM rowcast.sources AS source
LEFT JOIN rowcast.renderers AS renderer ON (renderer.name, renderer.revision) = (source.renderer, source.revision)
WHERE CAST(:renderer AS text) IS NULL OR source.renderer = :renderer
ORDER BY source.renderer
""")
# A partitioned table's triggers for each row are on its partitions, too. Only an owner makes triggers that always fire.
_TRIGGERS = text("""
SELECT tgname AS name, tgtype AS kind, tgenabled AS state, pg_has_role(proowner, relowner, 'MEMBER') AS owned
FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid JOIN pg_class ON pg_class.oid = tgrelid
WHERE proname = CAST(:function AS name) AND pronamespace = to_regnamespace('rowcast')
    AND (tgrelid = to_regclass(:table) OR tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:table))))
""")
_EVENTS = {"INSERT": 4, "UPDATE": 16, "DELETE": 8, "TRUNCATE": 32}
"""The bits of pg_trigger.tgtype, as the server's catalog/pg_trigger.h has them."""
_WORDS = {"D": "disabled", "R": "for replicas only", "O": "for origin only"}


@dataclass(frozen=True)
class SourceState:
    """A renderer that captures a table, by the revision that new rows are of; `faults` is empty if all is well.

    `table` is None where the declaration isn't known, or can't be read.
    """

    renderer: str
    revision: int
    table: str | None
    faults: Sequence[str] = ()


def source_states(connection: Connection, renderer: str | None = None) -> list[SourceState]:
    """Every renderer whose table is captured, by name, or this one. Reads catalogues only, and no row of a user's."""
    states = []
    for row in connection.execute(_SOURCES, {"renderer": renderer}).mappings().all():
        source, faults = None, [] if row["fault"] is None else [f"changes were not captured: {row['fault']}"]
        if row["text"] is None:
            faults = ["its table is captured, and there is no declaration: rowcast renderer apply was not run"]
        else:
            try:
                source = _source(row["text"])
            except ProblemsError as error:
                faults = [f"its declaration can't be read: {error.problems[0]}"]
            else:
                # What is wrong with the table now says more than what a trigger has noted of it.
                faults = _faults(connection, source, row["shape"]) or faults
        states.append(SourceState(row["renderer"], row["revision"], str(source.table) if source else None, faults))
    return states


@lru_cache(maxsize=512)
def _source(declaration: str) -> Source:
    return read_source(declaration)


def _faults(connection: Connection, source: Source, shape: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([source.table, *(each.table for each in source.related.values())])
    tables = {name: read_table(connection, name) for name in names}
    gone = [f"there is no table {name} any more" for name, table in tables.items() if table is None]
    there = {name: table for name, table in tables.items() if table is not None}
    faults = [*gone, *column_faults(source, shape_of(shape), there)]
    faults += [
        f"rows of {heir}, which inherits from {name}, are not captured: a declaration of its own captures them"
        for name, table in there.items()
        for heir in table.heirs
    ]
    if gone:
        return faults
    parts = {"source": source.table} | {f"with/{alias}": each.table for alias, each in source.related.items()}
    for part, name in parts.items():
        parameters = {"table": qualified(name), "function": f"{source.renderer}/{part}"}
        found = connection.execute(_TRIGGERS, parameters).mappings()
        faults += trigger_faults(name, [dict(row) for row in found])
    return faults


def column_faults(source: Source, shape: RowShape, tables: Mapping[TableName, Table]) -> list[str]:
    """What is captured and has another type than the declaration was checked against, or is there no more."""

    def of_table(name: TableName, columns: Mapping[str, Column], others: Iterable[str]) -> Iterator[str]:
        table = tables.get(name)
        if table is None:
            return
        now = table.shape().columns
        for column in dict.fromkeys([*columns, *others]):
            if column not in now:
                yield f"{name} has no column {column} any more"
            elif column in columns and now[column].type != columns[column].type:
                yield f"column {column} of {name} is {now[column].type} now, and was {columns[column].type}"

    used = [*source.key, *(parent for each in source.related.values() for parent in each.on.values())]
    faults = [*of_table(source.table, shape.columns, used)]
    for alias, each in source.related.items():
        faults += of_table(each.table, shape.related.get(alias, {}), each.on)
    return faults


def trigger_faults(table: TableName, triggers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What its triggers miss of a table's changes, by all that there are: `name`, `kind`, `state`, `owned`."""
    covered = 0
    for trigger in triggers:
        covered |= trigger["kind"]
    if missing := [event for event, bit in _EVENTS.items() if not covered & bit]:
        yield f"no trigger on {table} captures {', '.join(missing)}"
    # Whoever isn't the table's owner can make none that fires always.
    found = {(each["name"], each["state"]) for each in triggers if each["state"] != "O" or each["owned"]}
    for state, word in _WORDS.items():
        if names := sorted(name for name, one in found if one == state):
            yield f"{'a trigger' if len(names) == 1 else 'triggers'} on {table} {word}: {', '.join(names)}"
