"""All rows that a list's filters let through, as a file; read through a cursor of the server's, written as it comes.

Of configurations, or of any table.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import orjson
import yaml
from sqlalchemy import Connection, Engine, RowMapping, Select

from rowcast.core.cells import FORMULA, MARKED
from rowcast.crud.database.connections import reading, translated
from rowcast.crud.rows import queries

Format = Literal["json", "yaml", "csv", "ndjson"]
MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "yaml": "application/yaml",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
COLUMNS = (
    "name",
    "repository_url",
    "branch",
    "environment",
    "application",
    "id",
    "generation",
    "updated_at",
    "updated_by",
)
ROWS_AT_ONCE = 1000
_NUMBER = re.compile(r"-\d+(\.\d+)?")


class Export:
    """One transaction, whose first rows are read at once so that what fails fails before the first byte."""

    def __init__(
        self,
        engine: Engine,
        query: Callable[[Connection], Select[Any]],
        columns: Sequence[str],
        as_exported: Callable[[RowMapping], Mapping[str, Any]],
    ) -> None:
        """What a query of this transaction finds, each row by its `columns`. Raises TransientError."""
        self._columns, self._as_exported = columns, as_exported
        self._transaction = ExitStack()
        try:
            connection = self._transaction.enter_context(reading(engine))
            streaming = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
            found = streaming.execute(query(connection)).mappings()
            self._parts = iter(found.partitions(ROWS_AT_ONCE))
            self._first = next(self._parts, [])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the transaction; may be called again."""
        self._transaction.close()

    def written(self, kind: Format) -> Iterator[bytes]:
        """The file. Raises TransientError when it breaks off."""
        with translated(), self._transaction:
            yield from written(kind, self._rows(), self._columns)

    def _rows(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        yield [self._as_exported(row) for row in self._first]
        for part in self._parts:
            yield [self._as_exported(row) for row in part]


def configurations(engine: Engine, wanted: queries.ListFilter, sort: str) -> Export:
    """Those of a list. Raises TransientError."""
    return Export(engine, lambda connection: queries.whole_list(connection, wanted, sort), COLUMNS, _configuration)


def written(
    kind: Format, parts: Iterator[Sequence[Mapping[str, Any]]], columns: Sequence[str] = COLUMNS
) -> Iterator[bytes]:
    """Rows of these columns as a file."""
    return _csv(parts, columns) if kind == "csv" else _WRITERS[kind](parts)


def _configuration(row: RowMapping) -> dict[str, Any]:
    # Rows that are gone, in the list of those on their way, are told without it.
    told = {"application": row.get("application") or row["name"], "updated_at": row["updated_at"].isoformat()}
    return {name: told.get(name) or row[name] for name in COLUMNS}


def _json(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    before = b"[\n"
    for part in parts:
        for row in part:
            yield before + orjson.dumps(row)
            before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _ndjson(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    for part in parts:
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in part)


def _yaml(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    empty = True
    for part in parts:
        if part:
            empty = False
            yield yaml.dump(list(part), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True).encode()
    if empty:
        yield b"[]\n"


def _csv(parts: Iterator[Sequence[Mapping[str, Any]]], columns: Sequence[str]) -> Iterator[bytes]:
    yield _lines([dict(zip(columns, columns, strict=True))], columns)
    for part in parts:
        yield _lines([{name: as_cell(value) for name, value in row.items()} for row in part], columns)


def _lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, columns).writerows(rows)
    return text.getvalue().encode()


def as_cell(value: object) -> object:
    """A value in CSV: NULL is an empty cell, a list or an object its JSON.

    A text that a spreadsheet would run as a formula gets a `'` in front, and so does one that would look like it, and
    an empty one. Who reads it again takes a `'` away that stands alone, before one of these characters, or before
    another `'`.
    """
    if isinstance(value, bool | dict | list):
        return orjson.dumps(value).decode()
    if not isinstance(value, str):
        return value
    marked = value in ("", "'") or (value.startswith(FORMULA + MARKED) and not _NUMBER.fullmatch(value))
    return f"'{value}" if marked else value


_WRITERS: Mapping[Format, Callable[[Iterator[Sequence[Mapping[str, Any]]]], Iterator[bytes]]] = {
    "json": _json,
    "yaml": _yaml,
    "ndjson": _ndjson,
}
