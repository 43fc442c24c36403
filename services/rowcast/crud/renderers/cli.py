"""The commands `rowcast renderer …` that are about what was applied; those about files are in `sources/cli.py`."""

import difflib
import json
import os
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, RowMapping

from rowcast.check.access import Crud, RefusedError, access
from rowcast.core.errors import TransientError
from rowcast.core.reconcile import PRUNE_LIMIT
from rowcast.crud.renderers import revisions, rollouts
from rowcast.crud.renderers.deletion import Deletion, begin, remove_rows
from rowcast.crud.renderers.dry_run import DryRun, keys_of, with_dry_run
from rowcast.crud.renderers.impact import Seen, see
from rowcast.crud.renderers.impact_report import as_markdown, as_text
from rowcast.crud.renderers.rollout_cli import app as rollout_app
from rowcast.crud.renderers.schemas import RendererState, RevisionListed, RevisionOut
from rowcast.crud.sources.cli import SERVING_ROLE, ServingRole, app, required
from rowcast.crud.sources.database import SourceError, reading, writing
from rowcast.crud.sources.grants import revoke_editing
from rowcast.renderers.files import DatabaseUrl, problems_of, read_text
from rowcast.runtime import confirmation
from rowcast.runtime.exits import Exit, UsageError, told
from rowcast.runtime.output import Output, OutputForm, print_facts, print_lines
from rowcast.runtime.person import this_user


class Report(StrEnum):
    """How an impact is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Objects(StrEnum):
    """What becomes of a deleted renderer's objects."""

    REMOVE = "remove"
    RETAIN = "retain"


CHANGES = 3
"""The exit code of what would change something."""
app.add_typer(rollout_app, name="rollout", help="Bring rows to another revision of their declaration, step by step.")
Name = Annotated[str, typer.Argument(help="The renderer's name.")]


@app.command(name="list")
def list_renderers(database_url: DatabaseUrl = None, output: OutputForm = Output.TABLE) -> None:
    """List the renderers that were applied, deleted ones too. Exit codes: 0 done, 1 no answer, 2 wrong options."""
    with told(), reading(required(database_url)) as connection:
        counts = revisions.counts(connection)
        states = revisions.with_faults(connection, revisions.current(connection))
        found = [_state_as_json(one, counts) for one in rollouts.with_under_way(connection, states)]
        if output is Output.TABLE:
            head = ("NAME", "REVISION", "ROWS", "BY", "AT", "STATE")
            print_lines(head, [(one["name"], one["revision"], one["rows"], *_by(one), _state(one)) for one in found])
        else:
            print_facts(found, output)


@app.command()
def show(
    name: Name,
    revision: Annotated[int | None, typer.Option(min=1, help="Another one than new rows are of.")] = None,
    database_url: DatabaseUrl = None,
    output: OutputForm = Output.TABLE,
) -> None:
    """Print a declaration as it was applied; by whom and when, on stderr. JSON and YAML have all of it.

    Exit codes: 0 done, 1 there is no such renderer or revision, 2 wrong options.
    """
    with told(), reading(required(database_url)) as connection:
        current = _there(connection, name)
        (state,) = rollouts.with_under_way(connection, revisions.with_faults(connection, [current]))
        found = _state_as_json(state, revisions.counts(connection)) | {"text": current["text"]}
        if revision is not None:
            found = RevisionOut.model_validate(_revision(connection, name, revision)).model_dump(mode="json")
        if output is not Output.TABLE:
            print_facts(found, output)
            return
        by, at = _by(found)
        described = f", {found['rows']} rows, {_state(found)}" if revision is None else ""
        typer.echo(f"{name} revision {found['revision']}, applied by {by} at {at}{described}", err=True)
        typer.echo(found["text"], nl=False)


@app.command()
def history(
    name: Name,
    diff: Annotated[
        tuple[int, int] | None, typer.Option(metavar="A B", help="Show what differs from revision A to B instead.")
    ] = None,
    database_url: DatabaseUrl = None,
    output: OutputForm = Output.TABLE,
) -> None:
    """List a renderer's revisions, newest first. A revision that differs in nothing has other types of columns.

    Exit codes: 0 done, 1 there is no such renderer or revision, 2 wrong options.
    """
    with told(), reading(required(database_url)) as connection:
        _there(connection, name)
        if diff is not None:
            if output is not Output.TABLE:
                raise UsageError("--diff is a text: it has no other --output")
            before, after = (_revision(connection, name, number)["text"].splitlines() for number in diff)
            names = [f"{name} revision {number}" for number in diff]
            for line in difflib.unified_diff(before, after, names[0], names[1], lineterm=""):
                typer.echo(line)
            return
        found = [
            RevisionListed.model_validate(dict(one)).model_dump(mode="json")
            for one in revisions.history(connection, name)
        ]
        if output is Output.TABLE:
            rows = [(one["revision"], one["sha256"][:12], *_by(one)) for one in found]
            print_lines(("REVISION", "SHA256", "BY", "AT"), rows)
        else:
            print_facts(found, output)


@app.command()
def delete(
    name: Name,
    objects: Annotated[
        Objects | None,
        typer.Option(help="What becomes of the objects and files that it has made. Asked for at a terminal."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the name.")] = False,
    prune_limit: Annotated[
        float, typer.Option(min=0, max=1, help="The largest share of all rows, of all renderers, that may go.")
    ] = PRUNE_LIMIT,
    serving_role: ServingRole = SERVING_ROLE,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete a renderer: its triggers go, and its rows, by the ordinary way, from every target. The table stays.

    `--objects remove` takes objects away, but for those of `delete: retain`. `--objects retain` leaves all of them
    behind, which takes a declaration with `delete: retain` in each manifest by which all rows are delivered; files in
    Git go, and the engine keeps the objects. What `edit: true` let crud's role do is taken away. Revisions stay: the
    name, applied again, goes on from them. Broken off, it can be run again. Exit codes: 0 done, 1 refused, 2 wrong
    options, or not confirmed.
    """
    with told():
        url = required(database_url)
        wanted = objects or _asked()
        confirmation.confirm(name, "delete", yes)
        with writing(url) as connection:
            total = begin(connection, Deletion(name, wanted is Objects.RETAIN, prune_limit))
            excess = revoke_editing(connection, name, serving_role)
        for statement in excess:
            typer.echo(f"{serving_role} has more rights than it needs before {statement}; is run", err=True)
        done = 0
        while done < total:
            with writing(url) as connection:
                removed = remove_rows(connection, name, this_user())
            if not removed:
                break
            done += removed
            typer.echo(f"{name}: {done} of {total} rows deleted", err=True)
        left = "its targets remove their objects" if wanted is Objects.REMOVE else "their objects are left behind"
        typer.echo(f"{name}: no more captured; {done} rows deleted, {left}")


@app.command()
def impact(
    argument: Annotated[Path | None, typer.Argument(metavar="FILE", help="The declaration.")] = None,
    option: Annotated[Path | None, typer.Option("-f", "--file", metavar="FILE", help="The same.")] = None,
    database_url: DatabaseUrl = None,
    output: Annotated[
        Report, typer.Option("--output", "-o", help="For people, as JSON, or for a pull request's comment.")
    ] = Report.TEXT,
    sample: Annotated[int, typer.Option(min=0, max=100, help="Examples of each group.")] = 3,
    dry_run: Annotated[
        bool | None,
        typer.Option(
            help="Have the API server asked about some of the examples; by default where crud's address is given.",
            show_default=False,
        ),
    ] = None,
    crud_url: Annotated[
        str | None,
        typer.Option(envvar="ROWCAST_CRUD_URL", help="crud's own address; without one, through the sidecar."),
    ] = None,
) -> None:
    """Show what applying a declaration would do to all rows, by the shape of the change; changes nothing.

    Every row of one snapshot is rendered by the revision that it is of and by FILE: objects that are made, removed,
    left behind, moved (another name or namespace: deleted and made anew) and changed, grouped by kind, manifest, path
    and values; rows that can't be rendered; rows that want the same object. With --dry-run, sync-k8s asks the API
    server, through crud, whether it would take some rows of each group (admission, immutable fields, quotas); nothing
    is written. The token names what was seen. Exit codes: 0 nothing changes, 1 problems in FILE, rows that can't be
    rendered, want the same object, or are refused, or that could not be asked about with --dry-run, 2 wrong options,
    3 something changes.
    """
    with told():
        if (argument is None) == (option is None):
            raise UsageError("name one FILE")
        file = argument or option or Path()
        text = read_text(file)
        with problems_of(file), reading(required(database_url)) as connection:
            snapshot = connection.execution_options(isolation_level="REPEATABLE READ")
            seen = see(snapshot, text, sample, _progress(), processes=_processors())
        answered = None
        if dry_run or (dry_run is None and crud_url):
            answered = _dry_run(seen, text, crud_url)
        content = with_dry_run(seen.as_json(), answered)
        if output is Report.JSON:
            typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        else:
            for line in as_markdown(content) if output is Report.MARKDOWN else as_text(content):
                typer.echo(line)
        unasked = bool(dry_run and content["dry_run_unavailable"])
        if seen.impact.trouble or content["dry_run_refused"] or unasked:
            raise typer.Exit(Exit.FAILED)
        if seen.impact.changes:
            raise typer.Exit(CHANGES)


def _dry_run(seen: Seen, declaration: str, crud_url: str | None) -> DryRun:
    """crud asks: this command knows the database only."""
    if seen.captured_anew:
        return DryRun(unavailable="applying captures the rows anew, and what sync reads is what is captured today")
    keys = keys_of(seen.as_json()["groups"])
    if not keys:
        return DryRun()
    try:
        with Crud(access(crud_url, os.environ)) as crud:
            return DryRun.of_crud(crud.dry_run(seen.renderer, declaration, keys))
    except (TransientError, RefusedError) as error:
        return DryRun(unavailable=str(error))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _progress() -> Callable[[int, int], None]:
    """A bar on stderr, where somebody sees it."""
    if not sys.stderr.isatty():
        return lambda done, total: None
    bar = typer.progressbar(length=1, label="rows", show_pos=True, file=sys.stderr)

    def draw(done: int, total: int) -> None:
        bar.length = total
        bar.update(done - bar.pos)
        if done == total:
            bar.render_finish()

    return draw


def _asked() -> Objects:
    if not confirmation.at_a_terminal():
        raise UsageError("say what becomes of its objects: --objects remove, or --objects retain")
    answer = typer.prompt("What becomes of its objects: remove or retain")
    try:
        return Objects(answer)
    except ValueError:
        raise UsageError(f"remove or retain, not {answer}") from None


def _state_as_json(state: dict[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    whole = state | {"rows": counts.get(state["name"], 0)}
    return RendererState.model_validate(whole).model_dump(mode="json")


def _there(connection: Connection, name: str) -> RowMapping:
    found = revisions.get(connection, name)
    if found is None:
        raise SourceError(f"there is no renderer {name}")
    return found


def _revision(connection: Connection, name: str, number: int) -> dict[str, Any]:
    found = revisions.revision(connection, name, number)
    if found is None:
        raise SourceError(f"there is no revision {number} of {name}")
    return dict(found)


def _by(found: dict[str, Any]) -> tuple[str, str]:
    return found["applied_by"], found["applied_at"]


def _state(found: dict[str, Any]) -> str:
    if found["deleted"]:
        return f"deleted, but for {found['rows']} rows: delete it again" if found["rows"] else "deleted"
    captured = f"not captured: {found['fault']}" if found["fault"] else "captured"
    rollout = found["rollout"]
    if rollout is None:
        return captured
    return f"{captured}; roll-out {rollout['id']} {rollout['state']}, step {rollout['step'] + 1}/{rollout['steps']}"
