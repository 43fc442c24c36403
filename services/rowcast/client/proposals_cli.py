"""`rowcast proposals …`: changes that wait for another person, seen and decided on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from rowcast.check.access import Crud
from rowcast.check.wait_cli import CrudUrl
from rowcast.client.options import Person, connected
from rowcast.client.output import Output, OutputOption, age, difference, one_as, show, utc_now
from rowcast.client.proposed_manifests import manifests
from rowcast.client.tables import Change, Row
from rowcast.runtime.exits import told
from rowcast.runtime.text_table import text_table

app = typer.Typer(no_args_is_help=True, add_completion=False)
Number = Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="The proposal's number.")]
_PENDING = ("open", "stale")
"""What a proposal is whose change may still come, as it is or renewed."""
_KINDS = ("table", "wide", "name", "json", "yaml", "jsonpath")


class ProposalState(StrEnum):
    """What has become of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    STALE = "stale"


@app.command("list")
def list_proposals(
    state: Annotated[ProposalState | None, typer.Option(help="Only those; `open` unless told.")] = ProposalState.OPEN,
    every: Annotated[bool, typer.Option("--all", help="Whatever has become of them.")] = False,
    mine: Annotated[bool, typer.Option("--for-approval", help="Only open ones that you may approve.")] = False,
    renderer: Annotated[str | None, typer.Option(help="Only of its rows.")] = None,
    environment: Annotated[str | None, typer.Option(help="Only of this environment.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """List proposals, newest first. Exit codes: 0 done, 1 refused, or crud doesn't answer, 2 wrong options."""
    wanted = {
        "state": None if every or state is None else state.value,
        "for_approval": "true" if mine else None,
        "renderer": renderer,
        "environment": environment,
        "limit": limit,
    }
    with told(), connected(crud_url) as crud:
        one_as(output, _KINDS)
        params = {name: value for name, value in wanted.items() if value is not None}
        items = crud.send("GET", "/proposals", params=params)["items"]
        show(output, {"items": items}, [f"proposals/{each['id']}" for each in items], lambda _: _table(items))


@app.command("show")
def show_proposal(
    number: Number,
    with_manifests: Annotated[
        bool,
        typer.Option(
            "--manifests/--no-manifests", help="Ask what the manifests become, which takes as long as targets."
        ),
    ] = True,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The manifests of at most so many rows.")] = 5,
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """Tell all of one proposal: who, why, what it changes, also of the manifests, and what has changed since.

    Of one that may still come, each row's manifests are shown as unified differences: of a configuration from what each
    target has, of another row from what it becomes now. What can't be asked is said in a line. With -o json or yaml
    there are none. Exit codes: 0 done, 1 refused, or crud doesn't answer, 2 wrong options.
    """
    with told(), connected(crud_url) as crud:
        one_as(output, _KINDS)
        found = crud.send("GET", f"/proposals/{number}")
        most = limit if with_manifests and found["state"] in _PENDING else 0
        show(output, found, [f"proposals/{number}"], lambda _: _lines(crud, found, most))


@app.command()
def approve(number: Number, person: Person = None, crud_url: CrudUrl = None) -> None:
    """Make the change that somebody else has proposed. Exit codes: 0 done, 1 refused, or crud doesn't answer."""
    _decide(number, "approve", person, crud_url)


@app.command()
def reject(
    number: Number,
    why: Annotated[str, typer.Option("--why", help="Why not; its author reads it.")],
    person: Person = None,
    crud_url: CrudUrl = None,
) -> None:
    """Say no to what somebody has proposed. Exit codes: 0 done, 1 refused, or crud doesn't answer."""
    _decide(number, "reject", person, crud_url, {"why": why})


@app.command()
def withdraw(number: Number, person: Person = None, crud_url: CrudUrl = None) -> None:
    """Take back what you have proposed. Exit codes: 0 done, 1 refused, or crud doesn't answer."""
    _decide(number, "withdraw", person, crud_url)


@app.command()
def renew(number: Number, person: Person = None, crud_url: CrudUrl = None) -> None:
    """Propose the same of the rows as they are now. Exit codes: 4 proposed, 0 done, since nobody has to approve it any
    more, 1 refused, or crud doesn't answer.
    """
    with told(), connected(crud_url, person) as crud:
        crud.send("POST", f"/proposals/{number}:renew")
    typer.echo(f"proposals/{number} renewed and made")


def _decide(number: int, verb: str, person: str | None, crud_url: str | None, body: Row | None = None) -> None:
    with told(), connected(crud_url, person) as crud:
        found = crud.send("POST", f"/proposals/{number}:{verb}", **({} if body is None else {"json": body}))
    typer.echo(f"proposals/{number} {found['state']}")


def _table(items: list[Row]) -> Iterator[str]:
    if not items:
        typer.echo("no proposals found", err=True)
        return iter(())
    lines = [
        (
            str(each["id"]),
            each["state"],
            each["renderer"],
            ",".join(each["environments"]),
            _what(each),
            each["asked_by"],
            age(each["asked_at"], utc_now()),
        )
        for each in items
    ]
    return text_table(["NUMBER", "STATE", "RENDERER", "ENVIRONMENTS", "CHANGES", "BY", "AGE"], lines)


def _what(proposal: Row) -> str:
    first, *others = proposal["changes"]
    return f"{first['op']} {first['name'] or first['key']}{f' and {len(others)} more' if others else ''}"


def _lines(crud: Crud, found: Row, most: int) -> Iterator[str]:
    """Of a proposal, with the manifests of so many rows that it is of."""
    yield f"{found['state']}: proposed by {found['asked_by']} at {found['asked_at']}"
    if found["comment"]:
        yield f"why: {found['comment']}"
    if found["decided_by"] or found["why"]:
        by = f" by {found['decided_by']}" if found["decided_by"] else ""
        yield f"{found['state']}{by} at {found['decided_at']}{': ' if found['why'] else ''}{found['why'] or ''}"
    for each in found["outdated"]:
        yield f"outdated: {each}"
    own = 0
    for change in found["changes"]:
        yield from _changed(change)
        if change["renderer"] != found["renderer"]:
            continue  # it only changes with others: no fields of it are known
        own += 1
        if own <= most:
            yield from manifests(crud, change, found["asked_by"])
    if most and own > most:
        yield f"the manifests of {own - most} more rows are not shown (--limit)"


def _changed(change: Row) -> Iterator[str]:
    fields: dict[str, Any] = {name: tuple(pair) for name, pair in change["fields"].items()}
    name = f"{change['renderer']}/{change['name'] or change['key'] or '(new row)'}"
    action = "change" if change["op"] == "update" else change["op"]
    if fields:
        yield from difference(name, Change(name, action, fields))
    else:
        yield f"{name}: {change['op']} {json.dumps(change['environments'])}"
