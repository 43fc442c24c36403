"""`rowcast get`, `describe` and `history`: what there is, what became of it, and what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import typer

from rowcast.check.wait_cli import CrudUrl
from rowcast.client import tables
from rowcast.client.options import DEFAULT, Name, PastName, Renderer, Selector, Whose, connected, selected
from rowcast.client.output import Output, OutputOption, age, one_as, rows_table, show, utc_now
from rowcast.client.tables import Row, Table, Version, Wanted, as_text
from rowcast.runtime.exits import told
from rowcast.runtime.text_table import text_table

get_app = typer.Typer(add_completion=False)
describe_app = typer.Typer(add_completion=False)
history_app = typer.Typer(add_completion=False)
_RECENT = 5
"""Changes that `describe` shows."""


class RowState(StrEnum):
    """What became of a row, over all targets."""

    SYNCED = "synced"
    PENDING = "pending"
    FAILED = "failed"
    OVERDUE = "overdue"
    DELETING = "deleting"
    DELETED = "deleted"


@get_app.command()
def get(
    renderer: Renderer = DEFAULT,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|KEY]...", help="Configurations by name or id, rows by key.")
    ] = None,
    selector: Selector = None,
    state: Annotated[
        RowState | None,
        typer.Option(help="Only rows at it: overdue and deleting of configurations, deleted of other rows."),
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only rows with this text in them.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many [default: all, page by page]")] = None,
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """List rows, or show those that are named; of any table by its renderer.

    What `-o yaml` and `-o json` print can be applied again. Exit codes: 0 done, also where nothing matches, 1 refused,
    or crud doesn't answer, 2 wrong options, or no such row.
    """
    if names and (selector or state or search or limit):
        raise typer.BadParameter("rows that are named are not filtered")
    wanted = Wanted(selected(selector), state.value if state else None, search, limit)
    with told(), connected(crud_url) as crud:
        table = tables.table(crud, renderer)
        rows = [table.find(name) for name in names] if names else list(table.listed(wanted))
        content: Any = rows[0] if names and len(names) == 1 else {"items": rows}
        if not rows and output.kind in ("table", "wide"):
            typer.echo(f"no rows of {renderer} found", err=True)
            return
        show(output, content, _names(table, rows), lambda wide: rows_table(table, rows, wide, utc_now()))


def _names(table: Table, rows: Sequence[Row]) -> list[str]:
    return [f"{table.renderer}/{table.name_of(row)}" for row in rows]


@describe_app.command()
def describe(
    renderer: Whose,
    name: Name,
    crud_url: CrudUrl = None,
) -> None:
    """Tell all of one row: its values, what became of it at each target, and its last changes.

    Exit codes: 0 done, 1 refused, or crud doesn't answer, 2 no such row.
    """
    with told(), connected(crud_url) as crud:
        table = tables.table(crud, renderer)
        row = table.find(name)
        for line in described(table, row, list(islice(table.versions(row), _RECENT))):
            typer.echo(line)


def described(table: Table, row: Row, recent: Sequence[Version]) -> Iterator[str]:
    """The lines of `describe`."""
    by = row.get("updated_by", row.get("actor")) or "unknown"
    facts = {
        "Renderer": table.renderer,
        "Name": table.name_of(row),
        "Key": table.key_of(row),
        "Generation": row["generation"],
        "Revision": row.get("revision"),
        "Changed": f"{row.get('updated_at', row.get('changed_at'))} by {by}",
    }
    yield from _aligned({name: str(value) for name, value in facts.items() if value is not None}, "")
    yield "Values:"
    yield from _aligned({name: _value(value) for name, value in table.values_of(row).items()}, "  ")
    yield "Targets:"
    for target, seen in table.targets_of(row).items():
        yield f"  {target}: {_target(seen)}"
        if seen.get("error"):
            yield f"    error: {seen['error']}"
        if seen.get("stage_error"):
            yield f"    {seen['stage']}: {seen['stage_error']}"
        if seen.get("link"):
            yield f"    proposed by: {seen['link']}"
    yield "Last changes:"
    for line in _versions(recent):
        yield f"  {line}"


def _aligned(facts: Mapping[str, str], indent: str) -> Iterator[str]:
    width = max(map(len, facts), default=0) + 1
    for name, value in facts.items():
        yield f"{indent}{name + ':':<{width}}  {value}".rstrip()


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else as_text(value)


def _target(seen: Row) -> str:
    words = [str(seen["state"])]
    if seen.get("observed_generation"):
        words.append(f"generation {seen['observed_generation']} {seen['outcome']}")
    words += [str(seen["reference"])] if seen.get("reference") else []
    words += [str(seen["stage"])] if seen.get("stage") else []
    return ", ".join(words)


def _versions(versions: Sequence[Version]) -> Iterator[str]:
    now = utc_now()
    head = ["GENERATION", "CHANGE", "CHANGED", "BY", "VALUES"]
    lines = []
    for place, version in enumerate(versions):
        before = versions[place + 1].values if place + 1 < len(versions) else None
        lines.append(
            [
                str(version.generation),
                version.change,
                age(version.changed_at, now),
                version.changed_by,
                _difference(before, version.values),
            ]
        )
    return text_table(head, lines)


def _difference(before: Row | None, after: Row | None) -> str:
    if before is None or after is None:
        return ""
    changed = [name for name in after if before.get(name) != after[name]]
    return ", ".join(f"{name}: {_value(before.get(name))} -> {_value(after[name])}" for name in changed)


@history_app.command()
def history(
    renderer: Whose,
    name: PastName,
    limit: Annotated[int, typer.Option(min=1, help="The last so many changes.")] = 50,
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """List what a row was, newest first, and who changed it; also of a deleted one.

    Exit codes: 0 done, 1 refused, or crud doesn't answer, 2 wrong options, or there never was such a row.
    """
    with told(), connected(crud_url) as crud:
        one_as(output, ("table", "wide", "yaml", "json", "jsonpath"))
        table = tables.table(crud, renderer)
        versions = list(islice(table.versions(table.past_row(name)), limit + 1))
        content = {"items": [version.raw for version in versions[:limit]]}
        show(output, content, (), lambda _wide: islice(_versions(versions), limit + 1))
