"""The commands `rowcast renderer rollout …`: crud drives what is kept in the database, which is all they ask."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, RowMapping

from rowcast.core.rollout import UNDER_WAY, Step, place_of
from rowcast.core.words import count
from rowcast.crud.errors import FieldError
from rowcast.crud.renderers import rollouts
from rowcast.crud.renderers.rollout_schemas import RolloutOut, StepOut, rollout_out
from rowcast.crud.sources.apply import store
from rowcast.crud.sources.cli import required
from rowcast.crud.sources.database import SourceError, known_tables, reading, writing
from rowcast.renderers.declaration import check
from rowcast.renderers.files import DatabaseUrl, problems_of, read_text
from rowcast.runtime.exits import Exit, UsageError, told
from rowcast.runtime.output import Output, OutputForm, print_facts, print_lines
from rowcast.runtime.person import this_user

app = typer.Typer(no_args_is_help=True)
LOOK_SECONDS = 0.5
Name = Annotated[str, typer.Argument(help="The renderer's name.")]
Number = Annotated[int | None, typer.Option("--id", min=1, help="An older one than the newest.")]


@app.command()
def start(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The declaration.")],
    step: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|N%|CEL",
            help="Until N rows, or N% of them, have it, or those that an expression takes, over `row`, `name` and"
            " `environment`. Once for each step; the last one is always of all.",
        ),
    ] = None,
    hold: Annotated[int, typer.Option(min=0, help="Seconds that a step's rows have to do well.")] = 0,
    failures: Annotated[int, typer.Option(min=0, help="How many rows may fail, in all; more stop it.")] = 0,
    ready: Annotated[
        int | None,
        typer.Option(
            min=1, help="Seconds after which a row that is delivered and not ready has failed [default: never]"
        ),
    ] = None,
    token: Annotated[str | None, typer.Option(help="What `impact` has printed: what was seen.")] = None,
    max_changed: Annotated[
        int | None, typer.Option(min=0, help="How many rows may have changed since, at most; needs --token.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until it is over, as `watch` does.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Keep a declaration as a revision, and let rows go on by it step by step.

    Each step waits until its rows are delivered and ready at every target for --hold seconds. It has to capture what
    rows are captured by now; anything else is for `apply`. Exit codes: 0 begun (with --watch: done), 1 problems in
    FILE, or it can't begin (with --watch: it has stopped, or was aborted or rolled back), 2 wrong options.
    """
    with _told():
        url = required(database_url)
        text = read_text(file)
        with problems_of(file), known_tables(url) as tables:
            renderer, shape = check(text, tables)
        with writing(url) as connection:
            kept = store(connection, text, renderer, shape)
            steps = [_step(each) for each in step or ()]
            wanted = rollouts.Wanted(kept.revision, steps, hold, failures, ready, token, max_changed)
            number = rollouts.start(connection, renderer.name, wanted, this_user())
            begun = rollout_out(rollouts.get(connection, renderer.name, number))
        changed = begun.changed_since
        since = "" if changed is None else f"; changed since its impact: {count(changed, 'row')}"
        typer.echo(f"{renderer.name}: roll-out {number} to revision {kept.revision} has begun{since}")
        if watch:
            _watch(url, renderer.name, number)


@app.command()
def status(
    name: Name, number: Number = None, database_url: DatabaseUrl = None, output: OutputForm = Output.TABLE
) -> None:
    """Show how far a renderer's newest roll-out is.

    Exit codes: 0 done, 1 there is none, 2 wrong options.
    """
    with _told(), reading(required(database_url)) as connection:
        found = rollout_out(rollouts.get(connection, name, number))
    _print(found, output)


@app.command(name="watch")
def watch_one(name: Name, number: Number = None, database_url: DatabaseUrl = None) -> None:
    """Stay until a roll-out is over, with a line for each change.

    Exit codes: 0 done, or rolled back after `rollback`, 1 it has stopped, or was aborted or rolled back, or there is
    none, 2 wrong options.
    """
    with _told():
        url = required(database_url)
        with reading(url) as connection:
            found = rollouts.get(connection, name, number)
        _watch(url, name, found["id"])


@app.command(name="list")
def list_all(name: Name, database_url: DatabaseUrl = None, output: OutputForm = Output.TABLE) -> None:
    """List a renderer's roll-outs, newest first. Exit codes: 0 done, 1 there is no such renderer, 2 wrong options."""
    with _told(), reading(required(database_url)) as connection:
        found = [rollout_out(each) for each in rollouts.page(connection, name, None, 1000)]
    if output is not Output.TABLE:
        print_facts([each.model_dump(mode="json") for each in found], output)
        return
    head = ("ID", "REVISION", "STATE", "STEP", "BY", "AT", "WHY")
    rows = [
        (
            each.id,
            each.revision,
            each.state,
            f"{place_of(each.steps) + 1}/{len(each.steps)}",
            each.started_by,
            f"{each.started_at:%Y-%m-%dT%H:%M:%SZ}",
            each.why or "",
        )
        for each in found
    ]
    print_lines(head, rows)


@app.command()
def pause(name: Name, number: Number = None, database_url: DatabaseUrl = None) -> None:
    """No more rows until it is resumed.

    Exit codes: 0 done, 1 it makes no sense now, or there is none, 2 wrong options.
    """
    _tell(name, database_url, lambda connection: rollouts.pause(connection, name, number))


@app.command()
def resume(
    name: Name,
    failures: Annotated[int | None, typer.Option(min=0, help="How many rows may fail from now on, in all.")] = None,
    number: Number = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Go on with one that is paused, or has stopped by itself. Exit codes: as of `pause`."""
    _tell(name, database_url, lambda connection: rollouts.resume(connection, name, number, failures))


@app.command()
def abort(name: Name, number: Number = None, database_url: DatabaseUrl = None) -> None:
    """End it; rows stay as they are. Exit codes: as of `pause`."""
    _tell(name, database_url, lambda connection: rollouts.abort(connection, name, number))


@app.command()
def rollback(
    name: Name,
    number: Number = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until it is over, as `watch` does.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Give its rows the revision back that they had, also once it is done. Exit codes: as of `pause`."""
    _tell(name, database_url, lambda connection: rollouts.roll_back(connection, name, number, this_user()))
    if watch:
        watch_one(name, number, database_url)


def _tell(name: str, database_url: str | None, what: Callable[[Connection], RowMapping]) -> None:
    with _told(), writing(required(database_url)) as connection:
        found = what(connection)
    typer.echo(f"{name}: roll-out {found['id']} is {found['state']}")


@contextmanager
def _told() -> Iterator[None]:
    """As `told`, with the name of what is wrong."""
    with told():
        try:
            yield
        except FieldError as error:
            raise SourceError(f"{error.field}: {error}") from None


def _step(text: str) -> Step:
    if re.fullmatch(r"[0-9]+", text):
        if int(text) == 0:
            raise UsageError("--step 0 is no step")
        return Step(rows=int(text))
    share = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", text)
    if share is None:
        return Step(filter=text)
    if not 0 < float(share[1]) <= 100:
        raise UsageError(f"--step {text}: a share is above 0% and at most 100%")
    return Step(share=float(share[1]))


def _watch(url: str, name: str, number: int) -> None:
    shown = ""
    going_back = False
    while True:
        try:
            with reading(url) as connection:
                found = rollout_out(rollouts.get(connection, name, number))
        except SourceError as error:
            # It answered before: whoever waits for the end has no use for a database that is away meanwhile.
            line, over = f"{name}: {error}", False
        else:
            going_back = going_back or found.state == "rolling-back"
            line, over = f"{name}: {_progress(found)}", found.state not in UNDER_WAY or found.state == "stopped"
        if line != shown:
            typer.echo(line)
            shown = line
        if over:
            break
        time.sleep(LOOK_SECONDS)
    if found.state != ("rolled-back" if going_back else "done"):
        raise typer.Exit(Exit.FAILED)


def _progress(found: RolloutOut) -> str:
    place = place_of(found.steps) + 1
    step = found.steps[place - 1]
    rows = count(step.assigned, "row") if step.total is None else f"{step.assigned:,} of {count(step.total, 'row')}"
    failed = sum(each.failed for each in found.steps)
    words = f"{found.state}, step {place} of {len(found.steps)} ({_words(step)}) {step.state}:"
    words += f" {rows} assigned, {step.ready} ready, {failed} failed"
    return f"{words}; {found.why}" if found.why else words


def _words(step: StepOut) -> str:
    if step.filter is not None:
        return step.filter
    return count(step.rows, "row") if step.rows is not None else f"{step.share:g} %"


def _print(found: RolloutOut, output: Output) -> None:
    if output is not Output.TABLE:
        print_facts(found.model_dump(mode="json"), output)
        return
    typer.echo(f"{found.renderer}: roll-out {found.id} to revision {found.revision} is {found.state}")
    if found.why:
        typer.echo(found.why)
    head = ("STEP", "STATE", "ROWS", "ASSIGNED", "DELIVERED", "READY", "FAILED")
    rows = [
        (_words(each), each.state, "" if each.total is None else each.total, each.assigned, each.delivered, each.ready,
         each.failed)
        for each in found.steps
    ]  # fmt: skip
    print_lines(head, rows)
