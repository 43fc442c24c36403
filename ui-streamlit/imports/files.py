"""From an uploaded file to rows: CSV, YAML or JSON, as people and the export write them. Pure."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bulk.models import MOST, Format
from configurations.models import FIELDS
from imports.documents import Located, LocatedList, UnreadableError, from_json, from_yaml, located_json

__all__ = ["ENDINGS", "MOST_ROWS", "Expected", "ReadFile", "UnreadableError", "decoded", "kind_of", "read"]

ENDINGS: Final[Mapping[str, Format]] = {"csv": "csv", "tsv": "csv", "yaml": "yaml", "yml": "yaml", "json": "json"}
MARKED: Final = tuple(f"'{first}" for first in "=+-@\t\r'")
# More than a browser's table and a person's eyes hold.
MOST_ROWS: Final = 20_000
MOST_CHARACTERS: Final = 20_000_000
_WIDE: Final = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF32_BE: "UTF-32"}


@dataclass(frozen=True)
class ReadFile:
    """The rows of a file; `places[n]` says where in it row n stands, such as `line 3`."""

    rows: tuple[Mapping[str, Any], ...]
    places: tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """What rows a file has: `fields` that count, all if there are none; a first line has to name the `required` ones.

    `names` are those that name a row together. Other rows than those of `configurations` have any JSON as their values,
    which `from_text` makes of what CSV has.
    """

    fields: tuple[str, ...]
    required: tuple[str, ...]
    names: tuple[str, ...]
    endings: Mapping[str, Format]
    configurations: bool = False
    from_text: Callable[[str, str], Any] = lambda _field, text: text


CONFIGURATIONS: Final = Expected(
    tuple(FIELDS),
    tuple(field for field in FIELDS if field not in ("branch", "application")),
    ("name",),
    ENDINGS,
    configurations=True,
)


def kind_of(name: str, text: str, endings: Mapping[str, Format] = ENDINGS) -> Format:
    """Return how a file is written: by its name's ending, or else by how it begins."""
    ending = name.rpartition(".")[2].lower()
    if ending in endings:
        return endings[ending]
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith(("[", "{")):
        return "json"
    first = start.partition("\n")[0]
    return "csv" if "," in first or ";" in first or "\t" in first else "yaml"


def decoded(content: bytes) -> str:
    """Return a file's text, or raise UnreadableError."""
    wide = next((name for mark, name in _WIDE.items() if content.startswith(mark)), None)
    if wide:
        raise UnreadableError(f"The file is {wide}, from line 1 on. Save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        said = f"The file is not UTF-8 text: byte {error.start}, at line {line}, is no part of it. Save it as UTF-8."
        raise UnreadableError(said) from error


def read(text: str, kind: Format, expected: Expected = CONFIGURATIONS) -> ReadFile:
    """Return the rows of a file, with only the fields that count; raise UnreadableError.

    What is empty is left out, so that crud says what is missing, and a known row keeps its branch. Columns that are
    not a row's are passed over, as in an export. Every text is as it stands there, without the blanks around it.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MOST_CHARACTERS:
        raise UnreadableError(f"It has {len(text):,} characters; at most {MOST_CHARACTERS:,} go at once. Split it.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableError(f"At line {line} there is a NUL: it is no text, or not UTF-8.")
    if kind == "csv" or (kind == "yaml" and not expected.configurations):
        return _rows(_csv(text, expected), expected)
    if not expected.configurations:
        return _rows(_objects(_any_json(text), expected), expected)
    if kind == "yaml":
        documents = [document for document in from_yaml(text) if document not in (None, "")]
        return _rows(_objects(documents[0] if len(documents) == 1 else documents, expected), expected)
    try:
        return _rows(_objects(from_json(text), expected), expected)
    except UnreadableError:
        # Once more, now with the line on which each entry begins.
        return _rows(_objects(located_json(text), expected), expected)


def _any_json(text: str) -> Any:
    """Return JSON as it is, of one document or of one for each line; raise UnreadableError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as whole:
        entries = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                entries += [json.loads(line)] if line.strip() else []
            except json.JSONDecodeError as error:
                # A document of several lines breaks where it breaks.
                at = number if entries else whole.lineno
                said = error.msg if entries else whole.msg
                raise UnreadableError(f"At line {at} it is not JSON: {said}.") from error
        return entries


def _rows(records: Iterator[tuple[str, Mapping[str, Any]]], expected: Expected) -> ReadFile:
    rows: list[Mapping[str, Any]] = []
    places: list[str] = []
    for place, record in records:
        rows.append(_row(place, record, expected))
        places.append(place)
        if len(rows) > MOST_ROWS:
            raise UnreadableError(f"It has more than {MOST_ROWS:,} rows, which go at once at most. Split it.")
    if not rows:
        raise UnreadableError("There is no row in it.")
    if len(rows) > MOST:
        _refuse_repeated(rows, places, expected)
    return ReadFile(tuple(rows), tuple(places))


def _refuse_repeated(rows: Sequence[Mapping[str, Any]], places: Sequence[str], expected: Expected) -> None:
    # In one part crud sees it; of two parts, each would look right.
    first: dict[str, str] = {}
    for row, place in zip(rows, places, strict=True):
        name = "/".join(str(row[field]) for field in expected.names) if all(map(row.get, expected.names)) else ""
        if name in first:
            raise UnreadableError(f"At {place}, the name {name} is there again: it is at {first[name]} already.")
        if name:
            first[name] = place


def _row(place: str, record: Mapping[str, Any], expected: Expected) -> Mapping[str, Any]:
    row: dict[str, Any] = {}
    for field in expected.fields or record:
        value = record.get(field)
        if not expected.configurations and not isinstance(value, str):
            # NULL is a value where it is written, which CSV has no way to.
            row[field] = value
            continue
        if value is None:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"  # as it stands in JSON
        if not isinstance(value, str):
            raise UnreadableError(f"At {place}, {field} is not a text{_line(record, field)}.")
        if any("\ud800" <= character <= "\udfff" or character == "\0" for character in value):
            raise UnreadableError(f"At {place}, {field} has half a character or a NUL in it{_line(record, field)}.")
        if not expected.configurations:
            row[field] = value
        elif text := value.strip():
            row[field] = text
    return row


def _line(record: Mapping[str, Any], field: str) -> str:
    return f" (line {record.lines.get(field, record.line)})" if isinstance(record, Located) else ""


def _csv(text: str, expected: Expected) -> Iterator[tuple[str, Mapping[str, Any]]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    columns: list[str] | None = None
    begins = 1
    try:
        for values in reader:
            # A quoted value may have several lines: what counts is where the row begins.
            place, begins = f"line {begins}", reader.line_num + 1
            if columns is None:
                columns = _columns(place, values, expected) if values else None
            elif any(values):
                if len(values) != len(columns):
                    amount = "more" if len(values) > len(columns) else "fewer"
                    raise UnreadableError(f"At {place} there are {amount} values than columns.")
                record = {name: _unmarked(value) for name, value in zip(columns, values, strict=True)}
                if not expected.configurations:
                    record = {name: expected.from_text(name, value) for name, value in record.items() if value}
                yield place, record
    except csv.Error as error:
        raise UnreadableError(f"It is not CSV at line {max(reader.line_num, 1)}: {error}.") from error
    if columns is None:
        raise UnreadableError("There is no row in it.")


def _columns(place: str, values: Sequence[str], expected: Expected) -> list[str]:
    columns = [name.strip().lower() if expected.configurations else name.strip() for name in values]
    missing = [field for field in expected.required if field not in columns]
    if missing:
        raise UnreadableError(f"Its first line names no column {', '.join(missing)}.")
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise UnreadableError(f"At {place}, the column {twice[0]} is there twice.")
    return columns


def _unmarked(value: str) -> str:
    # An export puts it before what a spreadsheet would take for a formula.
    return value[1:] if value.startswith(MARKED) else value


def _objects(content: Any, expected: Expected) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(content, dict) and isinstance(content.get("items"), list):
        content = content["items"]
    elif isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise UnreadableError(f"It holds no list of {'configurations' if expected.configurations else 'rows'}.")
    for number, record in enumerate(content, start=1):
        if not isinstance(record, dict):
            where = f" (line {content.lines[number - 1]})" if isinstance(content, LocatedList) else ""
            what = "configuration" if expected.configurations else "row"
            raise UnreadableError(f"Entry {number} is not a {what} with fields{where}.")
        # A manifest, as the targets have it, says the same under `spec`.
        if expected.configurations and record.get("kind") == "AppConfig":
            spec = record.get("spec")
            if not isinstance(spec, dict):
                raise UnreadableError(f"At entry {number}, spec is not a mapping{_line(record, 'spec')}.")
            record = spec
        yield f"entry {number}", record
