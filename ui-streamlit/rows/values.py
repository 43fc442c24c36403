"""A column's values: which field a form has for it, what is typed as what is sent, and what is kept as text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final, Literal

from rows.models import Column

Field = Literal["generated", "choice", "reference", "boolean", "integer", "number", "date", "json", "text"]

RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    # What a browser's numbers hold exactly; a bigint beyond is typed as text.
    "bigint": (-(2**53) + 1, 2**53 - 1),
}
NUMBERS: Final = ("numeric", "real", "double precision")
BOOLEAN, DATE, JSON = "boolean", "date", ("json", "jsonb")
_INTEGER: Final = re.compile(r"[-+]?\d+")
_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?[Ii]nf(inity)?|[Nn]a[Nn]")


class ValueRefusedError(ValueError):
    """What was typed is no value of its column. Its text is a sentence for people."""


def base_type(column: Column) -> str:
    """Return a column's type without its length: `numeric` of `numeric(10,2)`."""
    return re.sub(r"\(.*?\)", "", column.type).strip()


def field_of(column: Column, value: Any = None) -> Field:
    """Return the kind of field that a form has for a column, which has to be able to hold `value`."""
    kind = base_type(column)
    if column.generated:
        return "generated"
    if column.values is not None:
        return "choice"
    if column.references is not None:
        return "reference"
    if kind == BOOLEAN:
        return "boolean"
    if kind in RANGES:
        low, high = RANGES[kind]
        return "integer" if value is None or (isinstance(value, int) and low <= value <= high) else "text"
    if kind in NUMBERS:
        return "number"
    if kind == DATE:
        # Infinity and years before Christ are no dates of a calendar's.
        return "date" if value is None or as_date(value) else "text"
    if kind in JSON or kind.endswith("[]") or isinstance(value, dict | list):
        return "json"
    return "text"


def as_date(value: Any) -> date | None:
    """Return the day that a value names, if it does."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_text(value: Any) -> str:
    """Return a value in one line, as lists have it; NULL is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_document(value: Any) -> str:
    """Return a value as a person edits JSON."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)


def as_lines(values: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    """Return a row's values as a difference has them, NULL as `null`."""
    return None if values is None else {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


def parsed(column: Column, kind: Field, typed: Any, *, new: bool) -> Any:
    """Return what to send for what a field holds, None for one that is empty. Raises ValueRefusedError."""
    if typed is None:
        return None
    if isinstance(typed, date):
        return typed.isoformat()
    if not isinstance(typed, str):
        return typed
    # Only of a row that is there, an empty text may be meant.
    if typed == "" and (new or column.nullable or kind != "text"):
        return None
    return _PARSERS.get(kind, _as_typed)(column, typed)


def _as_typed(column: Column, typed: str) -> Any:
    return _whole(column, typed) if base_type(column) in RANGES else typed


def _whole(column: Column, typed: str) -> int:
    if not _INTEGER.fullmatch(typed.strip()):
        raise ValueRefusedError(f"{column.type} is a whole number.")
    return int(typed)


def _number(column: Column, typed: str) -> str:
    if not _NUMBER.fullmatch(typed.strip()):
        raise ValueRefusedError(f"{column.type} is a number such as 12.5.")
    # As text: a float would lose digits that a numeric has.
    return typed.strip()


def _json(_column: Column, typed: str) -> Any:
    try:
        return json.loads(typed)
    except json.JSONDecodeError as error:
        raise ValueRefusedError(f"It is not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from error


_PARSERS: Final[Mapping[Field, Callable[[Column, str], Any]]] = {"number": _number, "json": _json}


def required(column: Column, *, new: bool) -> bool:
    """Tell whether a column must be filled in."""
    return not column.nullable and not column.generated and not (new and column.has_default)


def hint(column: Column, *, new: bool) -> str:
    """Return what stands below a column's field."""
    notes = [column.type]
    if column.generated:
        notes.append("made by the database")
    elif column.key and not new:
        notes.append("names the row")
    elif field_of(column) not in ("choice", "reference", "boolean"):
        # A choice names them itself.
        empty = "its default" if new and column.has_default else "NULL" if column.nullable else ""
        notes += [f"empty is {empty}"] if empty else []
    if column.references:
        notes.append(f"of {column.references.table}")
    return " · ".join(notes)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that differ from what they were."""
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


def writable(columns: Iterable[Column], values: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """Return those values that a person may write; of a row that is there, its key stays."""
    allowed = {column.name for column in columns if not column.generated and (new or not column.key)}
    return {name: value for name, value in values.items() if name in allowed}
