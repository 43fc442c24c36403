"""`rowcast check`: proves a platform by one configuration's whole life."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from rowcast.check.access import Crud, access
from rowcast.check.rounds import Round
from rowcast.check.sidecar import OLDEST, OwnSidecar
from rowcast.check.wait_cli import CrudUrl, Targets
from rowcast.core.errors import RowcastError
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import told

app = typer.Typer(add_completion=False)
LOOK_SECONDS = 0.05


@app.command()
def check(
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all of it, with waiting for crud.")] = 120,
    target: Targets = None,
    shutdown_sidecar: Annotated[
        bool, typer.Option("--shutdown-sidecar", help="In the end let the own sidecar end too, for a job in a cluster.")
    ] = False,
    crud_url: CrudUrl = None,
) -> None:
    """Create, update, rename and delete a configuration, and see each arrive at every target.

    It has a name of its own (rowcast-check-…) and goes again whatever happens. The milliseconds are those until crud
    told of the arrival. Exit codes: 0 all arrived, 1 failed at a target or refused, 2 wrong options, 3 not in time.
    """
    sidecar = OwnSidecar(os.environ)
    try:
        with told(), Crud(access(crud_url, os.environ), person="rowcast-check") as crud:
            _run(crud, None if crud_url else sidecar, target or [], Deadline(timeout, slowest=LOOK_SECONDS))
    finally:
        if shutdown_sidecar:
            _shut_down(sidecar)


def _run(crud: Crud, sidecar: OwnSidecar | None, targets: list[str], deadline: Deadline) -> None:
    if sidecar is not None:
        deadline.until(sidecar.healthy)
        _warn_of_an_old_one(deadline.until(sidecar.too_old))
    life = Round(crud, targets, deadline, typer.echo)
    deadline.until(lambda: crud.find(life.name))  # crud answers, and so does its database
    started = time.perf_counter()
    through = False
    try:
        life.run()
        through = True
    finally:
        if not through:
            typer.echo(f"rowcast: stopped at: {life.step} ({life.name})", err=True)
            _clean_up(life)
    typer.echo(f"all arrived: {time.perf_counter() - started:.1f} s")


def _warn_of_an_old_one(version: str | None) -> None:
    if version is not None:
        oldest = ".".join(map(str, OLDEST))
        typer.echo(f"rowcast: this is Dapr {version}, and {oldest} or later is needed: upgrade it", err=True)


def _clean_up(life: Round) -> None:
    try:
        life.clean_up()
    except RowcastError as error:
        typer.echo(f"rowcast: {life.name} may be left behind: {error}", err=True)


def _shut_down(sidecar: OwnSidecar) -> None:
    try:
        sidecar.shut_down()
    except RowcastError as error:
        typer.echo(f"rowcast: the sidecar does not end: {error}", err=True)
