"""A first declaration of a table, to be changed by whoever knows what its rows are. Pure."""

import json
import re
from collections.abc import Sequence

from rowcast.core.shapes import Column, TableShape
from rowcast.core.source import TableName
from rowcast.renderers.declaration import API_VERSION

_NAMES = ("name", "slug", "hostname", "host", "code", "title")
_SECRET = re.compile(r"passw|secret|token|private_?key|credential|hash|salt", re.IGNORECASE)
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The words that CEL keeps for itself (its specification, Syntax), reached in backquotes.
_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var"
    "|void|while"
)


def key_of_draft(shape: TableShape) -> tuple[str, ...] | None:
    """The first key that expressions can read, whose columns' names they can have; None if there is none."""
    return next((key for key in shape.keys if all(map(_COLUMN.fullmatch, key))), None)


def draft(table: TableName, shape: TableShape, key: tuple[str, ...]) -> str:
    """The text of a declaration that passes its check. `key` is as `key_of_draft` gives it."""
    excluded = [name for name in shape.columns if _SECRET.search(name) and name not in key]
    columns = [each for name, each in shape.columns.items() if name not in excluded and _COLUMN.fullmatch(name)]
    named = next((each for name in _NAMES for each in columns if each.name == name and _is_name(each)), None)
    row_name = f"${{row.{named.name}}}" if named else _key_text(key, shape)
    renderer = re.sub(r"[^a-z0-9]+", "-", table.name.lower()).strip("-")[:40].strip("-")
    renderer = renderer if renderer[:1].isalpha() else f"t-{renderer}"[:40].strip("-")
    # A name that is unique belongs to one row; another one needs the key.
    unique = named is None or (named.name,) in shape.keys
    object_name = row_name if unique else f"{row_name}-{_key_text(key, shape)}"
    lines = [
        f"apiVersion: {API_VERSION}",
        "kind: Renderer",
        f"metadata: {{name: {renderer}}}",
        "spec:",
        "  source:",
        f"    table: {json.dumps(str(table), ensure_ascii=False)}",
        f"    key: {json.dumps(key, ensure_ascii=False)}",
    ]
    if excluded:
        said = "# by their names; they never leave the table"
        lines.append(f"    exclude: {json.dumps(excluded, ensure_ascii=False)} {said}")
    lines += [
        f"  name: {json.dumps(row_name)}",
        "  allow: {kinds: [ConfigMap], namespaces: [default]}",
        "  manifests:",
        "    - id: configmap",
        "      template:",
        "        apiVersion: v1",
        "        kind: ConfigMap",
        "        metadata:",
        f"          name: {json.dumps(object_name)}",
        "          namespace: default",
    ]
    data = [f"          {json.dumps(each.name)}: {json.dumps(text)}" for each in columns if (text := _as_text(each))]
    lines += ["        data:", *data] if data else []
    return "\n".join(lines) + "\n"


def _is_name(column: Column) -> bool:
    return column.type == "string" and not column.nullable


def _field(name: str) -> str:
    return f"row.`{name}`" if _RESERVED.fullmatch(name) else f"row.{name}"


def _key_text(key: Sequence[str], shape: TableShape) -> str:
    return "-".join(f"${{{_field(name)}}}" for name in key) if len(key) > 1 else _one(shape.columns[key[0]])


def _one(column: Column) -> str:
    field = _field(column.name)
    return f"${{{field}}}" if column.type == "string" else f"${{string({field})}}"


def _as_text(column: Column) -> str | None:
    """What gives the column's text; a NULL leaves it out."""
    if column.type == "string":
        return f"${{{_field(column.name)}}}"
    if column.type in ("int", "double", "bool"):
        field, text = _field(column.name), f"string({_field(column.name)})"
        return f"${{{field} == null ? dyn(null) : dyn({text})}}" if column.nullable else f"${{{text}}}"
    return None
