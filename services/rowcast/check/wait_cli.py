"""`rowcast wait`: for scripts that have changed a row and go on when it has arrived."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rowcast.check.access import Crud, access
from rowcast.check.following import Goal, Stage, State, Verdict, follow
from rowcast.core.row import APP_CONFIGS, RowKey, app_config, row_named
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import Exit, told

app = typer.Typer(add_completion=False)

CrudUrl = Annotated[
    str | None,
    typer.Option(envvar="ROWCAST_CRUD_URL", help="crud's own address; without one, through the sidecar."),
]
Targets = Annotated[list[str] | None, typer.Option(help="Which targets; by default all that crud knows.")]


@app.command()
def wait(
    name: Annotated[
        str | None, typer.Argument(metavar="[RENDERER/KEY]", help="The row, as lists and messages name it.")
    ] = None,
    row: Annotated[int | None, typer.Option(min=1, help="A configuration's id: --row 42 is appconfigs/42.")] = None,
    generation: Annotated[
        int | None, typer.Option(min=1, help="This one or a newer; by default the row's at the first look.")
    ] = None,
    target: Targets = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait.")] = 60,
    stage: Annotated[
        Stage | None,
        typer.Option(help="How far it has to be: this stage or a later one; by default delivered will do."),
    ] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Wait until the row is gone everywhere.")] = False,
    crud_url: CrudUrl = None,
) -> None:
    """Wait until a row has arrived at its targets; one line for each.

    Exit codes: 0 arrived, 1 failed at a target (a dead letter, or with --stage what became of it) or the row is gone,
    2 wrong options, 3 not in time.
    """
    if deleted and generation is not None:
        raise typer.BadParameter("--generation and --deleted exclude each other: a deletion is always the last")
    if deleted and stage is not None:
        raise typer.BadParameter("--stage and --deleted exclude each other: only what is there has a stage")
    goal = Goal(_row(name, row), generation, deleted, tuple(target or ()), stage)
    with told(), Crud(access(crud_url, os.environ)) as crud:
        verdicts = follow(crud.status, goal, Deadline(timeout), each=lambda verdict: typer.echo(str(verdict)))
    raise typer.Exit(_tell_others(verdicts))


def _row(name: str | None, row_id: int | None) -> RowKey:
    if row_id is not None and name is None:
        return app_config(row_id)
    if name is None or row_id is not None:
        raise typer.BadParameter("name one row, as RENDERER/KEY or by --row")
    try:
        row = row_named(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if row.renderer == APP_CONFIGS and not row.key.isdecimal():
        raise typer.BadParameter(f"the key of a configuration is its id, and not {row.key!r}")
    return row


def _tell_others(verdicts: list[Verdict]) -> Exit:
    others = [verdict for verdict in verdicts if verdict.state is not State.SYNCED]
    for verdict in others:
        typer.echo(str(verdict), err=True)
    return Exit.FAILED if others else Exit.DONE
