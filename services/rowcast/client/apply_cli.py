"""`rowcast apply` and `rowcast diff`: what files say, made so, or compared with what there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from rowcast.check.access import Crud
from rowcast.check.wait_cli import CrudUrl
from rowcast.client import files, tables
from rowcast.client.options import DEFAULT, Comment, Person, Renderer, Selector, Yes, confirmed, connected, selected
from rowcast.client.output import Output, OutputOption, difference, one_as, show
from rowcast.client.tables import MOST, Change, Rows, Table, Wanted, as_text
from rowcast.core.errors import RowcastError
from rowcast.runtime.exits import Exit, ProposedError, UsageError, told

apply_app = typer.Typer(add_completion=False)
diff_app = typer.Typer(add_completion=False)
Files = Annotated[
    list[str],
    typer.Option(
        "--filename",
        "-f",
        help="A file of rows (CSV, YAML, JSON), a folder with all that are in it, or `-`; may be there several times.",
    ),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Also delete rows that no file has, of the renderers that the files name.")
]
_DONE = {"create": "created", "change": "configured", "none": "unchanged", "delete": "pruned"}
PRUNE_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What files make of one table."""

    table: Table
    changes: Sequence[Change]

    def of(self, *actions: str) -> list[Change]:
        """Those changes."""
        return [change for change in self.changes if change.action in actions]

    def name(self, change: Change) -> str:
        """As `renderer/name`."""
        return f"{self.table.renderer}/{change.name}"


class RefusedRowsError(RowcastError):
    """crud refuses some rows; the text names each with its place and what is wrong."""


@apply_app.command()
def apply(
    filename: Files,
    renderer: Renderer = DEFAULT,
    prune: Prune = False,
    prune_limit: Annotated[
        int, typer.Option(min=0, help="With --prune: refuse if more rows than this would be deleted.")
    ] = PRUNE_LIMIT,
    selector: Selector = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
    person: Person = None,
    comment: Comment = None,
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """Make rows what files say: each is known by its name (of configurations) or its key, created, or changed.

    What a row leaves out stays as it is. crud itself says what differs, by a dry run; of one table all is done in one
    transaction, or nothing is. With --prune rows that no file has are deleted, those with --selector only, after a
    question. Exit codes: 0 done, 1 some row is refused, or crud doesn't answer, 2 wrong options or files, 4 some of it
    is proposed: somebody else has to approve all that changes of that table.
    """
    wanted = selected(selector)
    _only_with_prune(prune, wanted)
    with told(), connected(crud_url, person, comment) as crud:
        one_as(output, ("table", "wide", "name", "json", "yaml", "jsonpath"))
        plans = _plans(crud, filename, renderer, prune, wanted)
        _judge(plans, prune_limit)
        pruned = [plan.name(change) for plan in plans for change in plan.of("delete")]
        if pruned and not dry_run:
            typer.echo("\n".join(f"to be deleted: {name}" for name in pruned), err=True)
            if not confirmed(f"Delete {len(pruned)} rows that no file has?", yes):
                typer.echo("rowcast: nothing was changed", err=True)
                raise typer.Exit(Exit.FAILED)
        proposed: list[ProposedError] = []
        for plan in plans:
            wants = None if dry_run else _carry_out(plan)
            if wants is not None:
                proposed.append(wants)
            _report(plan, output, "" if wants is None else ": proposed", dry_run)
        if output.kind in ("json", "yaml", "jsonpath"):
            show(output, _as_json(plans), (), lambda _: iter(()))
        if proposed:
            raise ProposedError("; ".join(str(each) for each in proposed))


@diff_app.command()
def diff(
    filename: Files,
    renderer: Renderer = DEFAULT,
    prune: Prune = False,
    selector: Selector = None,
    person: Person = None,
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """Show what `apply` would change, as crud says it by a dry run; nothing is changed.

    Exit codes: 0 nothing differs, 1 something does, more than 1: an error.
    """
    wanted = selected(selector)
    _only_with_prune(prune, wanted)
    try:
        with connected(crud_url, person) as crud:
            one_as(output, ("table", "wide", "name", "json", "yaml", "jsonpath"))
            plans = _plans(crud, filename, renderer, prune, wanted)
            _judge(plans, None)
    except RowcastError as error:
        typer.echo(f"rowcast: {error}", err=True)
        raise typer.Exit(Exit.USAGE if isinstance(error, UsageError) else Exit.LATE) from error
    different = [(plan, change) for plan in plans for change in plan.of("create", "change", "delete")]
    names = [plan.name(change) for plan, change in different]

    def lines(_wide: bool) -> Iterator[str]:
        for plan, change in different:
            yield from difference(plan.name(change), change)

    show(output, _as_json(plans), names, lines)
    raise typer.Exit(Exit.FAILED if different else Exit.DONE)


def _only_with_prune(prune: bool, selector: Mapping[str, str]) -> None:
    if selector and not prune:
        raise typer.BadParameter("--selector is for --prune: it says which rows may be deleted")


def _plans(crud: Crud, names: Sequence[str], renderer: str, prune: bool, selector: Mapping[str, str]) -> list[Plan]:
    """What becomes of each table that the files are about. Raises UsageError, and what crud does."""
    given = files.read(names, renderer, sys.stdin)
    if not any(given.values()):
        raise UsageError("there is no row in these files; to delete rows there is `rowcast delete`")
    plans = []
    for its, rows in given.items():
        table = tables.table(crud, its)
        values = [_values(table, row) for row in rows]
        if prune:
            _inside(values, rows, selector)
        changes = table.judge(values)
        placed = [
            replace(change, errors=[{**error, "place": row.place} for error in change.errors])
            for change, row in zip(changes, rows, strict=True)
        ]
        # What is refused is told first: nothing is read for it.
        if prune and not any(change.action == "refuse" for change in placed):
            placed += _absent(table, placed, selector)
        plans.append(Plan(table, placed))
    return plans


def _values(table: Table, row: files.Given) -> Mapping[str, Any]:
    if not isinstance(table, Rows) or row.kind is files.Kind.PLAIN:
        return row.values
    columns = table.of_catalogue()
    if row.kind is files.Kind.CAPTURED:
        known = {column["name"] for column in columns}
        return {name: value for name, value in row.values.items() if name in known}
    documents = {c["name"] for c in columns if c["type"] in ("json", "jsonb") or c["type"].endswith("[]")}
    return files.documents_of(row.values, frozenset(documents))


def _inside(values: Sequence[Mapping[str, Any]], rows: Sequence[files.Given], selector: Mapping[str, str]) -> None:
    """Raises UsageError: a row outside of the selector would be applied by one run and pruned by the next."""
    for one, row in zip(values, rows, strict=True):
        for name, value in selector.items():
            if name in one and as_text(one[name]) != value:
                raise UsageError(f"{row.place}: {name} is {as_text(one[name])!r}, outside of --selector {name}={value}")


def _absent(table: Table, changes: Sequence[Change], selector: Mapping[str, str]) -> list[Change]:
    """Deletions of the rows that no file has."""
    here = {str(change.id) for change in changes if change.id is not None}
    found = []
    for row in table.listed(Wanted(selector)):
        if table.key_of(row) not in here:
            fields = {name: (value, None) for name, value in table.values_of(row).items() if value is not None}
            found.append(table.deletion(row, fields))
    return found


def _judge(plans: Sequence[Plan], prune_limit: int | None) -> None:
    """Raises RefusedRowsError and UsageError before anything is done."""
    refused = [_refusal(plan, change) for plan in plans for change in plan.of("refuse")]
    if refused:
        those = "1 row is" if len(refused) == 1 else f"{len(refused)} rows are"
        raise RefusedRowsError("\n  ".join([f"{those} refused; nothing was changed:", *refused]))
    pruned = sum(len(plan.of("delete")) for plan in plans)
    if prune_limit is not None and pruned > prune_limit:
        raise RefusedRowsError(
            f"--prune would delete {pruned} rows, more than {prune_limit}; nothing was changed. `rowcast diff --prune`"
            " shows them, --prune-limit lets them go"
        )
    for plan in plans:
        many = len(plan.of("create", "change", "delete"))
        if prune_limit is not None and many > MOST:
            raise RefusedRowsError(
                f"{many} rows of {plan.table.renderer} would change, and one transaction takes {MOST}: apply fewer"
                " files at a time; nothing was changed"
            )


def _refusal(plan: Plan, change: Change) -> str:
    said = "; ".join(f"{error['field']}: {error['message']} ({error['rule']})" for error in change.errors)
    place = next((f"{error['place']}: " for error in change.errors if "place" in error), "")
    return f"{place}{plan.name(change)}: {said}"


def _carry_out(plan: Plan) -> ProposedError | None:
    """The error for a table whose changes somebody else has to approve: others may be done."""
    changes = plan.of("create", "change", "delete")
    try:
        if any(change.action == "delete" for change in changes):
            plan.table.batch(changes)
        elif changes:
            plan.table.bring(changes)
    except ProposedError as error:
        return error
    return None


def _report(plan: Plan, output: Output, proposed: str, dry_run: bool) -> None:
    if output.kind not in ("table", "wide", "name"):
        return
    for change in plan.changes:
        done = change.action if proposed and change.action != "none" else _DONE[change.action]
        said = f" {done}{'' if change.action == 'none' else proposed}{' (dry run)' if dry_run else ''}"
        typer.echo(plan.name(change) + ("" if output.kind == "name" else said))


def _as_json(plans: Sequence[Plan]) -> dict[str, Any]:
    items = [
        {"renderer": plan.table.renderer, "name": change.name, "action": change.action, "fields": dict(change.fields)}
        for plan in plans
        for change in plan.changes
    ]
    return {"items": items}
