"""`rowcast delete` and `rowcast rollback`: rows that go, and rows that become what they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rowcast.check.wait_cli import CrudUrl
from rowcast.client import tables
from rowcast.client.options import Comment, Names, PastName, Person, Whose, Yes, confirmed, connected
from rowcast.client.output import difference
from rowcast.client.tables import Change, Row, Rows, Table, Version
from rowcast.runtime.exits import Exit, UsageError, told

delete_app = typer.Typer(add_completion=False)
rollback_app = typer.Typer(add_completion=False)


@delete_app.command()
def delete(
    renderer: Whose,
    names: Names,
    yes: Yes = False,
    ignore_not_found: Annotated[
        bool, typer.Option("--ignore-not-found", help="A row that is gone is no error.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    person: Person = None,
    comment: Comment = None,
    crud_url: CrudUrl = None,
) -> None:
    """Delete rows, all of them or none, after a question; what they were stays in their history.

    A row that changes meanwhile is not deleted. Exit codes: 0 done, 1 refused, declined, or crud doesn't answer,
    2 wrong options, or no such row, 4 proposed: somebody else has to approve it.
    """
    with told(), connected(crud_url, person, comment) as crud:
        table = tables.table(crud, renderer)
        rows = _found(table, list(dict.fromkeys(names)), ignore_not_found)
        shown = [f"{renderer}/{table.name_of(row)}" for row in rows]
        if dry_run or not rows:
            for name in shown:
                typer.echo(f"{name} would be deleted")
            return
        if not confirmed(f"Delete {', '.join(shown[:10])}{' …' if len(shown) > 10 else ''} ({len(shown)})?", yes):
            typer.echo("rowcast: nothing was deleted", err=True)
            raise typer.Exit(Exit.FAILED)
        table.batch([table.deletion(row, {}) for row in rows])
        for name in shown:
            typer.echo(f"{name} deleted")


def _found(table: Table, names: Sequence[str], ignore_not_found: bool) -> list[Row]:
    found = []
    for name in names:
        try:
            found.append(table.find(name))
        except UsageError:
            if not ignore_not_found:
                raise
    return found


@rollback_app.command()
def rollback(
    renderer: Whose,
    name: PastName,
    to_generation: Annotated[
        int | None, typer.Option(min=1, help="What it was at this generation [default: before its last change]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    person: Person = None,
    comment: Comment = None,
    crud_url: CrudUrl = None,
) -> None:
    """Make a row what it was at a generation of its history, as a new generation; one that is deleted is made again.

    Columns that never leave the database (`exclude`) stay as they are. Exit codes: 0 done, or it is so already,
    1 refused, or crud doesn't answer, 2 wrong options, no such row or no such generation, 4 proposed: somebody else has
    to approve it.
    """
    with told(), connected(crud_url, person, comment) as crud:
        table = tables.table(crud, renderer)
        row = table.past_row(name)
        versions: list[Version] = []
        wanted = None
        for version in table.versions(row):
            versions.append(version)
            wanted = version if _is_wanted(version, versions[0], to_generation) else None
            if wanted is not None:
                break
        if wanted is None or wanted.values is None:
            raise UsageError(_no_version(renderer, name, to_generation, versions))
        change = _back(table, row, versions[0], wanted)
        shown = f"{renderer}/{name}"
        for line in difference(shown, change):
            typer.echo(line)
        if change.action == "none":
            return
        if not dry_run:
            table.batch([change])
        typer.echo(f"{shown} rolled back to generation {wanted.generation}{' (dry run)' if dry_run else ''}")


def _is_wanted(version: Version, newest: Version, to_generation: int | None) -> bool:
    if to_generation is None:
        return version is not newest and version.values is not None
    return version.generation == to_generation and version.values is not None


def _no_version(renderer: str, name: str, to_generation: int | None, versions: Sequence[Version]) -> str:
    if to_generation is None:
        return f"{renderer}/{name} was never anything else"
    known = ", ".join(str(version.generation) for version in versions if version.values is not None)
    return f"{renderer}/{name} has nothing to go back to at generation {to_generation}; its history has {known}"


def _back(table: Table, row: Row, newest: Version, wanted: Version) -> Change:
    values = dict(wanted.values or {})
    if isinstance(table, Rows):
        written = {column["name"] for column in table.of_catalogue() if not column["generated"]}
        values = {name: value for name, value in values.items() if name in written}
    before, name = newest.values, table.name_of(row)
    if before is None:
        return Change(name, "create", {column: (None, value) for column, value in values.items()}, (), values)
    fields = {column: (before.get(column), value) for column, value in values.items() if before.get(column) != value}
    return Change(name, "change" if fields else "none", fields, (), row, table.id_of(row), newest.generation)
