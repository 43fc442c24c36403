"""Many rows of a renderer's table from a file: each is known by its key, created or changed, and none is deleted."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import orjson
from sqlalchemy import Engine, RowMapping

from rowcast.core.cells import of_cell
from rowcast.crud.errors import DeniedError, FieldError
from rowcast.crud.fields import MAX_BATCH
from rowcast.crud.renderers.editing import Editor, Permit, edit
from rowcast.crud.renderers.tables import SourceTable
from rowcast.crud.renderers.values import DOCUMENTS
from rowcast.crud.rows.export import Format
from rowcast.crud.rows.imports import Action, ImportRefusedError, Line
from rowcast.crud.sources.catalogue import Column

NDJSON, CSV = "application/x-ndjson", "text/csv"


class _DryRunError(Exception):
    """Undoes what it took to say what an import would do."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__("nothing is to be changed")
        self.lines = lines


def rows_of(content: bytes, media_type: str) -> list[Mapping[str, Any]]:
    """The lines of a file. Raises FieldError."""
    try:
        text = content.decode("utf-8-sig")
        if media_type == CSV:
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            names = reader.fieldnames or ()
            if len(set(names)) < len(names):
                _refuse("csv", "names a column twice")
            found: list[Mapping[str, Any]] = [_cells(row) for row in reader]
        else:
            found = [orjson.loads(line) for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, csv.Error, orjson.JSONDecodeError) as error:
        _refuse("json" if media_type == NDJSON else "csv", f"can't be read: {error}")
    if not all(isinstance(row, dict) for row in found):
        _refuse("json-object", "each line must be an object")
    if not 1 <= len(found) <= MAX_BATCH:
        _refuse("max-items", f"must have 1 to {MAX_BATCH} rows, and has {len(found)}")
    return found


def import_rows(
    engine: Engine,
    actor: str,
    permit: Permit,
    given: Sequence[Mapping[str, Any]],
    *,
    cells: bool,
    partial: bool,
    dry_run: bool,
) -> list[Line]:
    """Do it, in one transaction, which a dry run takes back; `partial` leaves out what is refused. `cells`: as CSV has
    them, lists and documents as JSON.

    Raises ImportRefusedError, and what `edit` does.
    """

    def work(editor: Editor) -> list[Line]:
        lines = _imported(editor, [_documents(row, editor.columns) for row in given] if cells else given)
        if not partial and any(line.action == "refuse" for line in lines) and not dry_run:
            raise ImportRefusedError(lines)
        if dry_run:
            editor.settle()
            raise _DryRunError(lines)
        return lines

    try:
        return edit(engine, actor, permit, work)
    except _DryRunError as done:
        return list(done.lines)


def _imported(editor: Editor, given: Sequence[Mapping[str, Any]]) -> list[Line]:
    keys: list[str | None] = []
    refused: dict[int, FieldError] = {}
    for index, row in enumerate(given):
        try:
            key = editor.key_of(row)
            if key is not None and key in keys:
                raise FieldError("key", "duplicate", f"is the key of row {keys.index(key)} of this import, too")
        except FieldError as error:
            refused[index], key = error, None
        keys.append(key)
    there = editor.locked([key for key in keys if key is not None])
    lines = []
    for index, (row, key) in enumerate(zip(given, keys, strict=True)):
        try:
            if index in refused:
                raise refused[index]
            with editor.connection.begin_nested():
                lines.append(_line(editor, index, row, there.get(key) if key is not None else None))
        except FieldError as error:
            lines.append(_refused(index, key, error.field, error))
        except DeniedError as error:
            lines.append(_refused(index, key, "environment", error))
    return lines


def _refused(index: int, key: str | None, field: str, error: FieldError | DeniedError) -> Line:
    return Line(index, key or "", "refuse", errors=[{"field": field, "rule": error.rule, "message": str(error)}])


def _line(editor: Editor, index: int, given: Mapping[str, Any], before: RowMapping | None) -> Line:
    # An export has what only the database writes, too.
    values = {name: value for name, value in given.items() if not _generated(editor.columns.get(name))}
    if before is None:
        keys = {name: value for name, value in given.items() if name in editor.key_columns}
        new = {
            name: value for name, value in {**values, **keys}.items() if not _left_out(value, editor.columns.get(name))
        }
        after = editor.create(new)
        had: Mapping[str, Any] = {}
        action: Action = "create"
    else:
        changes = {name: value for name, value in values.items() if name not in editor.key_columns}
        after = editor.update(before["key"], changes)
        had = before["row"]
        action = "none" if after["generation"] == before["generation"] else "change"
    fields = {
        name: (had.get(name), after["row"].get(name)) for name in values if had.get(name) != after["row"].get(name)
    }
    return Line(index, after["key"], action, fields=fields)


def _generated(column: Column | None) -> bool:
    return column is not None and column.generated


def _left_out(value: Any, column: Column | None) -> bool:
    """An empty cell of a column that can't be NULL is for its default."""
    return value is None and column is not None and column.required and column.defaulted


def _cells(row: Mapping[str | None, Any]) -> dict[str, Any]:
    if None in row or None in row.values():
        _refuse("csv", "each line must have as many cells as the first")
    return {str(name): of_cell(cell) for name, cell in row.items()}


def as_exported(table: SourceTable, kind: Format) -> tuple[list[str], Callable[[RowMapping], Mapping[str, Any]]]:
    """The columns of a file, and a row of it: its table's own columns, without related rows."""
    columns = list(table.columns or table.shape.columns)
    documents = {name for name, column in table.columns.items() if kind == "csv" and _is_document(column)}

    def exported(row: RowMapping) -> dict[str, Any]:
        values = {name: row["row"].get(name) for name in columns}
        return {
            name: orjson.dumps(value).decode() if name in documents and value is not None else value
            for name, value in values.items()
        }

    return columns, exported


def _documents(row: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
    """A row of CSV. What is no JSON where it must be stays a text, which is refused by name."""
    return {name: _document(value) if _is_document(columns.get(name)) else value for name, value in row.items()}


def _is_document(column: Column | None) -> bool:
    return column is not None and (column.element is not None or column.type in DOCUMENTS)


def _document(cell: Any) -> Any:
    try:
        return json.loads(cell)
    except (TypeError, ValueError, RecursionError):
        return cell


def _refuse(rule: str, message: str) -> NoReturn:
    raise FieldError("body", rule, message)
