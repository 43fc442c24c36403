"""How the commands print facts: `-o table|wide|yaml|json|jsonpath=…|name`, as kubectl has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import jsonpath
import typer
import yaml

from rowcast.client.tables import Change, Configurations, Row, Table, as_text, state_of
from rowcast.runtime.exits import UsageError
from rowcast.runtime.text_table import text_table

KINDS = ("table", "wide", "yaml", "json", "name")
_JSONPATH = "jsonpath="
_EXPRESSION = re.compile(r"\{([^{}]*)\}")
_ESCAPES = {"\\n": "\n", "\\t": "\t"}
_MOST_COLUMNS = 4
"""Of a table's own columns, in the narrow list."""
_LONGEST_CELL = 60


@dataclass(frozen=True, slots=True)
class Output:
    """A kind of KINDS, or `jsonpath` with its template."""

    kind: str
    template: str = ""


def _parse(value: str | Output) -> Output:
    if isinstance(value, Output):
        return value
    if value.startswith(_JSONPATH) and len(value) > len(_JSONPATH):
        output = Output("jsonpath", value.removeprefix(_JSONPATH))
        _compiled(output.template)
        return output
    if value not in KINDS:
        raise typer.BadParameter(f"is one of {', '.join(KINDS)}, jsonpath=EXPRESSION, and not {value!r}")
    return Output(value)


OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        parser=_parse,
        metavar="KIND",
        help="table, wide, yaml, json, name, or jsonpath=EXPRESSION, such as jsonpath='{.items[*].name}'.",
    ),
]


def _compiled(template: str) -> list[str | jsonpath.JSONPath | jsonpath.CompoundJSONPath]:
    """A template's texts and paths, in turn; one without braces is a path as a whole. Raises typer.BadParameter."""
    if "{" not in template:
        template = f"{{{template}}}"
    parts: list[Any] = []
    for number, part in enumerate(_EXPRESSION.split(template)):
        if number % 2 == 0:
            parts.append(re.sub(r"\\[nt]", lambda found: _ESCAPES[found[0]], part))
            continue
        text = part.strip()
        if text.startswith('"') and text.endswith('"') and len(text) > 1:  # kubectl's {"\n"}
            parts.append(json.loads(text))
            continue
        path = text if text.startswith("$") else f"${text}" if text.startswith((".", "[")) else f"$.{text}"
        try:
            parts.append(jsonpath.compile(path))
        except jsonpath.JSONPathError as error:
            raise typer.BadParameter(f"jsonpath: {part}: {str(error).splitlines()[0]}") from None
    return parts


def by_path(template: str, content: Any) -> str:
    """What a template makes of JSON: texts as they are, anything else as JSON; several with spaces between them."""
    said = []
    for part in _compiled(template):
        found = [part] if isinstance(part, str) else part.findall(content)
        said.append(" ".join(each if isinstance(each, str) else json.dumps(each) for each in found))
    return "".join(said)


def show(output: Output, content: Any, names: Sequence[str], lines: Callable[[bool], Iterator[str]]) -> None:
    """Print facts: `content` is JSON, `names` are `renderer/name`, `lines` makes a table (wide: True) for people."""
    match output.kind:
        case "json":
            typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        case "yaml":
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=False)
            typer.echo(text, nl=False)
        case "jsonpath":
            typer.echo(by_path(output.template, content))
        case "name":
            for name in names:
                typer.echo(name)
        case _:
            for line in lines(output.kind == "wide"):
                typer.echo(line)


def one_as(output: Output, expected: Sequence[str]) -> None:
    """Raises UsageError for a kind that a command doesn't have."""
    if output.kind not in expected:
        raise UsageError(f"-o {output.kind} has no meaning here, only {', '.join(expected)}")


def rows_table(table: Table, rows: Sequence[Row], wide: bool, now: datetime) -> Iterator[str]:
    """A list for people."""
    if isinstance(table, Configurations):
        head, lines = _configurations(rows, wide, now)
    else:
        head, lines = _rows(table, rows, wide, now)
    return text_table(head, lines)


def _configurations(rows: Sequence[Row], wide: bool, now: datetime) -> tuple[list[str], list[list[str]]]:
    head = ["NAME", "ENVIRONMENT", "BRANCH", "STATE", "GENERATION", "CHANGED"]
    head += ["BY", "ID", "APPLICATION", "REPOSITORY", "TARGETS"] if wide else []
    lines = []
    for row in rows:
        sync = row.get("sync", {})
        line = [row["name"], row["environment"], row["branch"], state_of(sync), str(row["generation"])]
        line.append(age(row["updated_at"], now))
        if wide:
            line += [row["updated_by"], str(row["id"]), row["application"], row["repository_url"], _targets(sync)]
        lines.append(line)
    return head, lines


def _rows(table: Table, rows: Sequence[Row], wide: bool, now: datetime) -> tuple[list[str], list[list[str]]]:
    columns = [name for name in table.columns() if any(not isinstance(row["row"].get(name), dict) for row in rows)]
    shown = columns if wide else columns[:_MOST_COLUMNS]
    head = ["KEY", *(name.upper() for name in shown), "STATE", "GENERATION", "CHANGED"]
    head += ["ENVIRONMENT", "BY", "REVISION", "TARGETS"] if wide else []
    lines = []
    for row in rows:
        line = [row["key"], *(_cell(row["row"].get(name), wide) for name in shown)]
        line += [state_of(row["targets"]), str(row["generation"]), age(row["changed_at"], now)]
        if wide:
            line += [
                row.get("environment") or "unknown",
                row["actor"] or "unknown",
                str(row["revision"]),
                _targets(row["targets"]),
            ]
        lines.append(line)
    return head, lines


def _targets(targets: Mapping[str, Row]) -> str:
    return ",".join(f"{name}={target['state']}" for name, target in targets.items())


def _cell(value: Any, wide: bool) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else as_text(value)
    text = " ".join(text.split())
    return text if wide or len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def difference(name: str, change: Change) -> Iterator[str]:
    """A change for people: what is there with `-`, what comes with `+`."""
    yield f"{name}: {change.action}"
    for column, (before, after) in change.fields.items():
        if change.action != "create":
            yield f"-  {column}: {_plain(before)}"
        if change.action != "delete":
            yield f"+  {column}: {_plain(after)}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def age(moment: str, now: datetime) -> str:
    """How long ago a moment was, in the largest unit, as kubectl has it: `3d`, `5h`, `12m`, `7s`."""
    seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length or (unit != "m" and seconds >= length):
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def utc_now() -> datetime:
    """The present, for `age`."""
    return datetime.now(UTC)
