"""The columns of the tables that a declaration names: saved in a file, and what a declaration says of them.

The file maps `schema.table` to `keys` (each a list of columns that names one row) and `columns`, each by its type in
expressions: `string`, or `string | null` for one that may be NULL.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from rowcast.core.renderer import ExpressionError
from rowcast.core.shapes import Column, RowShape, TableShape
from rowcast.core.source import Source, TableName
from rowcast.renderers.positions import Document, Path, Problem, ProblemsError, read

_TYPE = re.compile(r"(int|double|bool|string|json|list\((?:int|double|bool|string)\))( \| null)?")


def write_columns(tables: Mapping[TableName, TableShape]) -> str:
    """The file of these tables."""
    content = {
        str(name): {
            "keys": [list(key) for key in table.keys],
            "columns": {
                each.name: f"{each.type} | null" if each.nullable else each.type for each in table.columns.values()
            },
        }
        for name, table in tables.items()
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def read_columns(text: str) -> Mapping[TableName, TableShape]:
    """The tables of a file. Raises ProblemsError."""
    document = read(text)
    problems: list[Problem] = []
    tables: dict[TableName, TableShape] = {}
    for name, table in (document.content if isinstance(document.content, dict) else {"": None}).items():
        schema, dot, short = name.rpartition(".")
        columns = table.get("columns") if isinstance(table, dict) else None
        if not dot or not isinstance(table, dict) or not isinstance(columns, dict):
            problems.append(document.problem((name,), "must be schema.table: {keys: [[…]], columns: {name: type}}"))
            continue
        read_here: dict[str, Column] = {}
        for column, kind in columns.items():
            found = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
            if found is None:
                said = "must be int, double, bool, string, json or list(…), and ` | null` where it may be NULL"
                problems.append(document.problem((name, "columns", column), said))
            else:
                read_here[column] = Column(column, found[1], found[2] is not None)
        keys = table.get("keys") or []
        if not isinstance(keys, list) or not all(isinstance(key, list) for key in keys):
            problems.append(document.problem((name, "keys"), "must be a list of lists of columns"))
            keys = []
        tables[TableName(schema, short)] = TableShape(read_here, tuple(tuple(map(str, key)) for key in keys))
    if problems:
        raise ProblemsError(sorted(problems))
    return tables


def source_shape(
    document: Document, source: Source, table: Callable[[TableName], TableShape | None]
) -> tuple[RowShape | None, list[Problem]]:
    """What rows of a source look like, and what is wrong with what it says of its tables.

    None if a table isn't there. `table` gives None for such a one.
    """
    at: Path = ("spec", "source")
    problems: list[Problem] = []

    def columns_there(shape: TableShape, names: Sequence[str], path: Path, indexed: bool = True) -> bool:
        missing = [(index, name) for index, name in enumerate(names) if name not in shape.columns]
        for index, name in missing:
            near = difflib.get_close_matches(name, list(shape.columns), 1)
            meant = f"; {near[0]} is meant?" if near else f"; there is {', '.join(shape.columns)}"
            problems.append(document.problem((*path, index) if indexed else path, f"there is no column {name}{meant}"))
        return not missing

    own = table(source.table)
    if own is None:
        problems.append(document.problem((*at, "table"), f"there is no table {source.table}"))
    else:
        if columns_there(own, source.key, (*at, "key")) and not any({*key} == {*source.key} for key in own.keys):
            keys = " or ".join(f"[{', '.join(key)}]" for key in own.keys) or "none: the table needs a primary key"
            said = f"[{', '.join(source.key)}] doesn't name one row of {source.table}; what does is {keys}"
            problems.append(document.problem((*at, "key"), said))
        excluded = document.content["spec"]["source"].get("exclude") or ()
        columns_there(own, excluded, (*at, "exclude"))
    related: dict[str, Mapping[str, Column]] = {}
    for alias, each in source.related.items():
        path = (*at, "with", alias)
        theirs = table(each.table)
        if theirs is None:
            problems.append(document.problem((*path, "table"), f"there is no table {each.table}"))
            continue
        columns_there(theirs, each.columns, (*path, "columns"))
        columns_there(theirs, list(each.on), (*path, "on"), indexed=False)
        if own is not None:
            columns_there(own, list(each.on.values()), (*path, "on"), indexed=False)
            if alias in own.columns:
                problems.append(document.problem(path, f"{alias} is a column of {source.table} already"))
        related[alias] = {name: theirs.columns[name] for name in each.columns if name in theirs.columns}
    if own is None or len(related) < len(source.related) or {*related} & {*own.columns}:
        return None, problems
    kept = {name: column for name, column in own.columns.items() if name not in source.exclude}
    return RowShape(kept, related), problems


def check_row(shape: RowShape, row: Mapping[str, Any]) -> None:
    """Whether a row that somebody wrote is one that could be captured. Raises ExpressionError.

    Columns that may be NULL can be left out.
    """
    for name in row:
        if name not in shape.columns and name not in shape.related:
            near = difflib.get_close_matches(name, [*shape.columns, *shape.related], 1)
            raise ExpressionError("there is no such column" + (f"; {near[0]} is meant?" if near else ""), f"row.{name}")
    _check_columns("row", shape.columns, row)
    for alias, columns in shape.related.items():
        items = row.get(alias) or []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ExpressionError("must be a list of rows", f"row.{alias}")
        for index, item in enumerate(items):
            _check_columns(f"row.{alias}[{index}]", columns, item)


def _check_columns(place: str, columns: Mapping[str, Column], row: Mapping[str, Any]) -> None:
    missing = [name for name, column in columns.items() if not column.nullable and row.get(name) is None]
    if missing:
        raise ExpressionError(f"is without {', '.join(missing)}, which can't be NULL", place)
