"""From an uploaded file to rows: CSV, YAML or JSON, as people and the export write them. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from bulk_models import MOST, Format
from view_model import FIELDS

ENDINGS: Final[Mapping[str, Format]] = {"csv": "csv", "tsv": "csv", "yaml": "yaml", "yml": "yaml", "json": "json"}
MARKED: Final = tuple(f"'{first}" for first in "=+-@\t\r'")
# More than a browser's table and a person's eyes hold.
MOST_ROWS: Final = 20_000


class UnreadableError(Exception):
    """The file can't be read. Its text is a sentence that says where and what to do."""


@dataclass(frozen=True)
class ReadFile:
    """The rows of a file; `places[n]` says where in it row n stands, such as `line 3`."""

    rows: tuple[Mapping[str, str], ...]
    places: tuple[str, ...]


def kind_of(name: str, text: str) -> Format:
    """Return how a file is written: by its name's ending, or else by how it begins."""
    ending = name.rpartition(".")[2].lower()
    if ending in ENDINGS:
        return ENDINGS[ending]
    start = text.lstrip()
    if start.startswith(("[", "{")):
        return "json"
    first = start.partition("\n")[0]
    return "csv" if "," in first or ";" in first or "\t" in first else "yaml"


def decoded(content: bytes) -> str:
    """Return a file's text, or raise UnreadableError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"The file is not UTF-8 text: byte {error.start} is no part of it.") from error


def read(text: str, kind: Format) -> ReadFile:
    """Return the rows of a file, with only the fields that a person may write; raise UnreadableError.

    What is empty is left out, so that crud says what is missing, and a known row keeps its branch. Columns that are
    not a row's are passed over, as in an export.
    """
    found = _csv(text) if kind == "csv" else _objects(_yaml(text) if kind == "yaml" else _json(text))
    rows, places = [], []
    for place, record in found:
        rows.append(_row(place, record))
        places.append(place)
    if not rows:
        raise UnreadableError("There is no row in it.")
    if len(rows) > MOST_ROWS:
        raise UnreadableError(f"It has {len(rows):,} rows; at most {MOST_ROWS:,} go at once. Split it.")
    if len(rows) > MOST:
        _refuse_repeated(rows, places)
    return ReadFile(tuple(rows), tuple(places))


def _refuse_repeated(rows: Sequence[Mapping[str, str]], places: Sequence[str]) -> None:
    # In one part crud sees it; of two parts, each would look right.
    first: dict[str, str] = {}
    for row, place in zip(rows, places, strict=True):
        name = row.get("name", "")
        if name in first:
            raise UnreadableError(f"At {place}, the name {name} is there again: it is at {first[name]} already.")
        if name:
            first[name] = place


def _row(place: str, record: Mapping[str, Any]) -> Mapping[str, str]:
    row = {}
    for field in FIELDS:
        value = record.get(field)
        if isinstance(value, (dict, list)):
            raise UnreadableError(f"At {place}, {field} is not a text.")
        if text := ("" if value is None else str(value)).strip():
            row[field] = text
    return row


def _csv(text: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [field for field in FIELDS if field not in reader.fieldnames and field != "branch"]
    if missing:
        raise UnreadableError(f"Its first line names no column {', '.join(missing)}.")
    try:
        for record in reader:
            place = f"line {reader.line_num}"
            if None in record:
                raise UnreadableError(f"At {place} there are more values than columns.")
            if any(record.values()):
                yield place, {name: _unmarked(value) for name, value in record.items()}
    except csv.Error as error:
        raise UnreadableError(f"It is not CSV at line {reader.reader.line_num}: {error}.") from error


def _unmarked(value: str | None) -> str | None:
    # An export puts it before what a spreadsheet would take for a formula.
    return value[1:] if value is not None and value.startswith(MARKED) else value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"It is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from error


def _yaml(text: str) -> Any:
    try:
        # As texts, all of it: a branch 1.10 or a name `on` is not a number or a truth.
        documents = [one for one in yaml.load_all(text, yaml.BaseLoader) if one not in (None, "")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UnreadableError(f"It is not YAML{where}: {getattr(error, 'problem', None) or 'unreadable'}.") from error
    return documents[0] if len(documents) == 1 else documents


def _objects(content: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if isinstance(content, dict) and isinstance(content.get("items"), list):
        content = content["items"]
    elif isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise UnreadableError("It holds no list of configurations.")
    for number, record in enumerate(content, start=1):
        if not isinstance(record, dict):
            raise UnreadableError(f"Entry {number} is not a configuration with fields.")
        # A manifest, as the targets have it, says the same under `spec`.
        spec = record.get("spec") if record.get("kind") == "AppConfig" else None
        yield f"entry {number}", spec if isinstance(spec, dict) else record
