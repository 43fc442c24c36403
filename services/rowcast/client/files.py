"""Files of rows: CSV, YAML and JSON, as people write them and as `get` and the exports give them. Nothing is guessed.

A document is a row, a list of rows, `{"items": […]}` as `rowcast get -o yaml` prints it, or
`{renderer: NAME, rows: […]}`, which says whose rows they are.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TextIO

import yaml

from rowcast.core.cells import of_cell
from rowcast.core.row import APP_CONFIGS
from rowcast.runtime.exits import UsageError

ENDINGS = {".csv": "csv", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".ndjson": "json", ".jsonl": "json"}
_EXACT = 2**53
"""Whole numbers beyond are texts, as in exports: JSON's readers would bend them."""
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_CAPTURED = frozenset({"renderer", "key", "generation", "row"})
"""What tells a captured row, as the API has it, from a row of a table."""


class Kind(StrEnum):
    """How a row is written."""

    PLAIN = "plain"
    CELLS = "cells"
    """As CSV: a document is JSON in its cell."""
    CAPTURED = "captured"
    """As crud tells it: with what only the database writes, and with related rows."""


@dataclass(frozen=True, slots=True)
class Given:
    """A row of a file; `place` says where it stands."""

    values: Mapping[str, Any]
    place: str
    kind: Kind = Kind.PLAIN


Rows = dict[str, list[Given]]
"""By renderer."""


def read(names: Sequence[str], renderer: str, stdin: TextIO) -> Rows:
    """The rows of files, folders (all of their files, sorted) and `-`. Raises UsageError with file and line."""
    given: Rows = {}
    for name in names:
        if name == "-":
            _read(given, "standard input", _kind("", content := stdin.read()), content, renderer)
            continue
        for path in _files(Path(name)):
            try:
                content = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{path} cannot be read: {error}") from error
            _read(given, str(path), _kind(path.suffix, content), content, renderer)
    return given


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise UsageError(f"there is no file or folder {path}")
    if not path.is_dir():
        yield path
        return
    found = sorted(each for each in path.rglob("*") if each.suffix.lower() in ENDINGS and each.is_file())
    if not found:
        raise UsageError(f"the folder {path} has no file of rows ({', '.join(ENDINGS)})")
    yield from found


def _kind(suffix: str, content: str) -> str:
    if suffix.lower() in ENDINGS:
        return ENDINGS[suffix.lower()]
    if suffix:
        raise UsageError(f"a file of rows ends in {', '.join(ENDINGS)}, not {suffix}")
    first = content.lstrip("\ufeff \t\r\n").partition("\n")[0]
    if first.startswith(("{", "[")):
        return "json"
    return "csv" if "," in first and ":" not in first and not first.startswith("-") else "yaml"


def _read(given: Rows, source: str, kind: str, content: str, renderer: str) -> None:
    if kind == "csv":
        for line, row in _csv(source, content):
            if renderer == APP_CONFIGS:  # none of its fields can be NULL: an empty cell leaves one out
                row = {name: cell for name, cell in row.items() if cell is not None}
            given.setdefault(renderer, []).append(Given(row, f"{source}, line {line}", Kind.CELLS))
        return
    documents = _json(source, content) if kind == "json" else _yaml(source, content, renderer)
    for number, document in enumerate(documents, 1):
        of = f" of document {number}" if len(documents) > 1 else ""
        for place, (its, row, how) in enumerate(_rows(source, document, renderer), 1):
            given.setdefault(its, []).append(Given(row, f"{source}, row {place}{of}", how))


def _rows(source: str, document: Any, renderer: str) -> Iterator[tuple[str, Mapping[str, Any], Kind]]:
    if document is None:
        return
    if isinstance(document, list):
        for each in document:
            yield from _rows(source, each, renderer)
    elif not isinstance(document, dict):
        _refuse(source, f"has {str(document)[:40]!r} where a row must be")
    elif document.keys() == {"renderer", "rows"} and isinstance(document["rows"], list):
        for each in document["rows"]:
            yield from _rows(source, each, str(document["renderer"]))
    elif document.keys() == {"items"} and isinstance(document["items"], list):
        for each in document["items"]:
            yield from _rows(source, each, renderer)
    elif document.keys() >= _CAPTURED and isinstance(document["row"], dict):
        yield str(document["renderer"]), document["row"], Kind.CAPTURED
    else:
        yield renderer, document, Kind.PLAIN


def _csv(source: str, content: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        names = reader.fieldnames or ()
        if len(set(names)) < len(names):
            _refuse(source, "names a column twice in its first line")
        for row in reader:
            if None in row or None in row.values():
                _refuse(source, f"has another number of cells at line {reader.line_num} than in its first line")
            yield reader.line_num, {name: of_cell(cell) for name, cell in row.items()}
    except csv.Error as error:
        _refuse(source, f"is not CSV at line {reader.line_num}: {error}")


def _json(source: str, content: str) -> list[Any]:
    try:
        return [_load(content)]
    except json.JSONDecodeError as whole:
        try:
            lines = [_load(line) for line in content.splitlines() if line.strip()]
        except ValueError:
            _refuse(source, f"is not JSON: line {whole.lineno}, column {whole.colno}: {whole.msg}")
        return [lines]
    except ValueError as error:
        _refuse(source, f"is not JSON: {error}")


def _load(text: str) -> Any:
    return json.loads(text, parse_int=number, parse_float=number, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is there twice")
    return found


def number(text: str) -> Any:
    """A number as it is written, where a reader of JSON has it exactly, else its text."""
    if _INT.fullmatch(text):
        whole = int(text)
        return whole if abs(whole) <= _EXACT else text
    if _FLOAT.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text


class _Loader(yaml.SafeLoader):
    """Scalars are texts, but for null, true and false, and plain numbers; no date, no `yes`, and no key twice."""

    typed = True

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.style is not None or not isinstance(text, str):
            return text
        if text in _NULLS:
            return None
        if not self.typed:
            return text
        return _TRUTHS[text] if text in _TRUTHS else number(text)

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name == "<<":
                raise yaml.constructor.ConstructorError(None, None, "a name must be a plain text", key.start_mark)
            if name in found:
                raise yaml.constructor.ConstructorError(None, None, f"{name} is there twice", key.start_mark)
            found[name] = self.construct_object(value, deep=True)
        return found

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(each, deep=True) for each in node.value]


class _Texts(_Loader):
    """For configurations, whose fields are texts: a branch `1.10` is not the number 1.1."""

    typed = False


_CONSTRUCTORS: tuple[tuple[str, Any], ...] = (
    *((f"tag:yaml.org,2002:{kind}", _Loader.scalar) for kind in ("str", "int", "float", "bool", "null", "timestamp")),
    ("tag:yaml.org,2002:value", _Loader.scalar),
    ("tag:yaml.org,2002:map", _Loader.mapping),
    ("tag:yaml.org,2002:seq", _Loader.sequence),
)
for _tag, _construct in _CONSTRUCTORS:
    for _class in (_Loader, _Texts):
        _class.add_constructor(_tag, _construct)


def _yaml(source: str, content: str, renderer: str) -> list[Any]:
    loader = _Texts if renderer == APP_CONFIGS and not _names_renderer(content) else _Loader
    try:
        return list(yaml.load_all(content, loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _refuse(source, f"is not YAML{where}: {getattr(error, 'problem', None) or error}")


def _names_renderer(content: str) -> bool:
    return re.search(r"^(?:- )?\s*renderer:", content, re.MULTILINE) is not None


def documents_of(row: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    """A row of CSV, with JSON where a column has any; what is no JSON stays a text, which crud refuses by name."""
    return {name: _document(value) if name in names else value for name, value in row.items()}


def _document(cell: Any) -> Any:
    try:
        return _load(cell) if isinstance(cell, str) else cell
    except (ValueError, RecursionError):
        return cell


def _refuse(source: str, message: str) -> NoReturn:
    raise UsageError(f"{source} {message}")
