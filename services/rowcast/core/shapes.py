"""What expressions know of a row: its columns and their types. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """`type` is int, double, bool, string, json, or a list of one of the first four: `list(int)`."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True)
class RowShape:
    """A captured row: the columns of its table, and by name those of related rows."""

    columns: Mapping[str, Column]
    related: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)


@dataclass(frozen=True)
class TableShape:
    """A table's columns, and every set of columns that names one row (unique, never NULL), the primary key first."""

    columns: Mapping[str, Column]
    keys: tuple[tuple[str, ...], ...] = ()


def shape_as_json(shape: RowShape) -> dict[str, Any]:
    """As it stands beside a revision."""
    related = {name: _columns_as_json(columns) for name, columns in shape.related.items()}
    return {"columns": _columns_as_json(shape.columns), "related": related}


def shape_of(value: Mapping[str, Any]) -> RowShape:
    """The shape that was written so. Raises KeyError, TypeError, AttributeError for anything else."""
    related = {name: _columns_of(columns) for name, columns in value["related"].items()}
    return RowShape(_columns_of(value["columns"]), related)


def _columns_as_json(columns: Mapping[str, Column]) -> dict[str, Any]:
    return {name: {"type": column.type, "nullable": column.nullable} for name, column in columns.items()}


def _columns_of(value: Mapping[str, Any]) -> dict[str, Column]:
    return {name: Column(name, column["type"], column["nullable"]) for name, column in value.items()}


_INTEGERS = {"int2", "int4", "int8", "oid"}
_FLOATS = {"float4", "float8"}
_DOCUMENTS = {"json", "jsonb", "hstore", "record"}


def expression_type(type_name: str, element: str | None = None) -> str:
    """The type of PostgreSQL's type (by its name in pg_type) in expressions, as it stands in a captured row.

    numeric is a string, since 40 digits are no double; so is all that has no type of its own in JSON: dates, times,
    intervals, addresses, ranges, bytes, enums, uuids.
    """
    if element is not None:
        inner = expression_type(element)
        return "json" if inner == "json" else f"list({inner})"
    if type_name in _INTEGERS:
        return "int"
    if type_name in _FLOATS:
        return "double"
    if type_name == "bool":
        return "bool"
    return "json" if type_name in _DOCUMENTS else "string"
