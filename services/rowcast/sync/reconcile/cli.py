"""`rowcast reconcile`: asks a running sync instance to reconcile, and prints its plan."""

from __future__ import annotations

import os
import time
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import httpx
import typer

from rowcast.core.targets import url_variable

app = typer.Typer(add_completion=False)
POLL_SECONDS = 0.5


class Exit(IntEnum):
    """What the command's exit code says."""

    IN_SYNC = 0
    FAILED = 1
    DIFFERENCES = 3


@app.command()
def reconcile(
    target: Annotated[str, typer.Option(help="Which instance, by its target's name: k8s, git, k8s-eu, …")],
    url: Annotated[
        str | None, typer.Option(help="Where it answers; by default ROWCAST_SYNC_K8S_URL, ROWCAST_SYNC_K8S_EU_URL, …")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    yes_prune_all: Annotated[
        bool, typer.Option("--yes-prune-all", help="Prune however much it is: the table is right, even if empty.")
    ] = False,
) -> None:
    """Compare the table with a target, and put right what differs; first waits for one that runs already.

    Exit codes: 0 in sync (or put right), 1 refused or failed, 3 differences found by --dry-run.
    """
    variable = url_variable(target)
    address = url or os.environ.get(variable)
    if not address:
        _fail(f"no --url, and {variable} is not set")
    token = os.environ.get("APP_API_TOKEN")
    headers = {"dapr-api-token": token} if token else {}
    body = {"dry_run": dry_run, "prune_limit": 1.0 if yes_prune_all else None}
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as http:
            run = _finished(http, _answer(_begun(http, body)))
    except httpx.HTTPError as error:
        _fail(f"{address} cannot be reached: {error}")
    raise typer.Exit(_tell(run))


def _begun(http: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    """The instance's answer, once no other reconcile runs there: that may not have seen what this one is asked for."""
    while (response := http.post("/reconcile", json=body)).status_code == httpx.codes.CONFLICT:
        typer.echo(f"waiting: {_detail(response)}", err=True)
        time.sleep(POLL_SECONDS)
    return response


def _finished(http: httpx.Client, run: dict[str, Any]) -> dict[str, Any]:
    started = run["started_at"]
    while run["finished_at"] is None:
        progress = run["progress"]
        typer.echo(f"{run['state']}: {progress['done']} of {progress['total']} rows", err=True)
        time.sleep(POLL_SECONDS)
        state = _answer(http.get("/reconcile"))
        run = next((one for one in (state["current"], state["last"]) if one and one["started_at"] == started), run)
    return run


def _tell(run: dict[str, Any]) -> Exit:
    for line in run["text"]:
        typer.echo(line)
    if run["outcomes"] or run["skipped"]:
        done = [f"{count} {outcome}" for outcome, count in run["outcomes"].items()]
        skipped = [f"{run['skipped']} left to their own events"] if run["skipped"] else []
        typer.echo("done: " + ", ".join(done + skipped))
    for line in run["failed"]:
        typer.echo(f"failed: {line}", err=True)
    if run["state"] != "done":
        typer.echo(f"rowcast: {run['state']}: {run['error']}", err=True)
        return Exit.FAILED
    return Exit.DIFFERENCES if run["dry_run"] and run["plan"] else Exit.IN_SYNC


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        _fail(f"{response.status_code}: {_detail(response)}")
    answer: dict[str, Any] = response.json()
    return answer


def _detail(response: httpx.Response) -> str:
    return str(response.json().get("detail") if "json" in response.headers.get("content-type", "") else response.text)


def _fail(message: str) -> NoReturn:
    typer.echo(f"rowcast: {message}", err=True)
    raise typer.Exit(Exit.FAILED)
