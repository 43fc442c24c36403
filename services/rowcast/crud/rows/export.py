"""All rows that a list's filters let through, as a file; read through a cursor of the server's, written as it comes."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import orjson
import yaml
from sqlalchemy import Engine, RowMapping

from rowcast.crud.database.connections import reading, translated
from rowcast.crud.rows import queries

Format = Literal["json", "yaml", "csv"]
MEDIA_TYPES: Mapping[Format, str] = {"json": "application/json", "yaml": "application/yaml", "csv": "text/csv"}
COLUMNS = ("name", "repository_url", "branch", "environment", "id", "generation", "updated_at", "updated_by")
ROWS_AT_ONCE = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKED = tuple(f"'{first}" for first in (*_FORMULA, "'"))


class Export:
    """One transaction, whose first rows are read at once so that what fails fails before the first byte."""

    def __init__(self, engine: Engine, wanted: queries.ListFilter, sort: str) -> None:
        """Raises TransientError."""
        self._transaction = ExitStack()
        try:
            connection = self._transaction.enter_context(reading(engine))
            streaming = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
            found = streaming.execute(queries.whole_list(wanted, sort)).mappings()
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
            yield from written(kind, self._rows())

    def _rows(self) -> Iterator[Sequence[dict[str, Any]]]:
        yield [_row(row) for row in self._first]
        for part in self._parts:
            yield [_row(row) for row in part]


def written(kind: Format, parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    """Rows of COLUMNS as a file."""
    return _WRITERS[kind](parts)


def _row(row: RowMapping) -> dict[str, Any]:
    return {**{name: row[name] for name in COLUMNS}, "updated_at": row["updated_at"].isoformat()}


def _json(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    before = b"[\n"
    for part in parts:
        for row in part:
            yield before + orjson.dumps(row)
            before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _yaml(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    empty = True
    for part in parts:
        if part:
            empty = False
            yield yaml.dump(list(part), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True).encode()
    if empty:
        yield b"[]\n"


def _csv(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    yield _lines([dict(zip(COLUMNS, COLUMNS, strict=True))])
    for part in parts:
        yield _lines([{name: _plain(value) for name, value in row.items()} for row in part])


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS).writerows(rows)
    return text.getvalue().encode()


def _plain(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets a `'` in front, and so does one that would look like it.

    Who reads it again takes a `'` away that stands before one of these characters, or before another `'`.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA + _MARKED) else value


_WRITERS: Mapping[Format, Callable[[Iterator[Sequence[Mapping[str, Any]]]], Iterator[bytes]]] = {
    "json": _json,
    "yaml": _yaml,
    "csv": _csv,
}
