"""The commands `rowcast access …`: what a policy says, by its file, or by the one that crud uses."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from rowcast.check.access import Crud, access
from rowcast.core.policy import GROUP, OF_ROWS, RESOURCES, read_policy
from rowcast.runtime.exits import UsageError, told

app = typer.Typer(no_args_is_help=True, add_completion=False)
NOT_ALLOWED = 1
PolicyPath = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]


@app.command()
def check(file: PolicyPath) -> None:
    """Say whether crud would take a file as its policy, and if not, which lines are wrong. Exit codes: 0 yes, 1 no."""
    with told():
        policy = read_policy(file.read_text())
    typer.echo(f"{file}: {len(policy.rules)} rules, the built-in ones included")


@app.command()
def explain(
    verb: Annotated[str, typer.Argument(help="`edit`, or with another resource than rows, `rollouts/start`.")],
    renderer: Annotated[str, typer.Argument(help="Or a target; `*` for all.")],
    environment: Annotated[str, typer.Argument(help="`*` for all.")] = "*",
    subject: Annotated[str | None, typer.Option("--as", help="Who; without it, whoever you are to crud.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group of theirs; several times for several.")] = None,
    policy: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A file; crud isn't asked.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say whether somebody may do something, and which line decides.

    Exit codes: 0 allowed, 1 not allowed, 2 a wrong question.

    With --policy from a file, otherwise of crud: ROWCAST_CRUD_URL, or the sidecar at DAPR_HTTP_PORT. About others crud
    tells whoever may see the audit.
    """
    with told():
        if policy is not None:
            found = _offline(policy, verb, renderer, environment, subject, group or ())
        else:
            found = _asked(verb, renderer, environment, subject, group or ())
    typer.echo(json.dumps(found) if as_json else f"{'allowed' if found['allowed'] else 'not allowed'}: {found['why']}")
    if found["allowed"] and found.get("approval") and not as_json:
        typer.echo(f"as a proposal, which somebody else approves: {found['approval']['text']}")
    if not found["allowed"]:
        raise typer.Exit(NOT_ALLOWED)


def _offline(
    file: Path, verb: str, renderer: str, environment: str, subject: str | None, groups: Any
) -> Mapping[str, Any]:
    if subject is None and not groups:
        raise UsageError("with --policy say who it is about: --as or --group")
    resource, _, act = verb.rpartition("/")
    resource = resource or "rows"
    if act not in RESOURCES.get(resource, ()):
        known = ", ".join(f"{each}/{one}" for each, verbs in RESOURCES.items() for one in verbs)
        raise UsageError(f"{verb} is none of {known}")
    names = [*([subject] if subject else []), *(f"{GROUP}{each}" for each in groups)]
    read = read_policy(file.read_text())
    rights = read.rights(names)
    where = _named(environment) if resource in OF_ROWS else None
    decision = rights.decide(resource, act, _named(renderer), where)
    changes = resource in OF_ROWS and act in ("edit", "delete", "promote") and renderer != "*"
    line = read.approvals.wanted(renderer, where) if changes else None
    approval = {"line": line.line, "text": str(line)} if line else None
    return {"allowed": decision.allowed, "why": decision.why, "names": list(rights.held), "approval": approval}


def _asked(verb: str, renderer: str, environment: str, subject: str | None, groups: Any) -> Mapping[str, Any]:
    given = {"verb": verb, "renderer": _named(renderer), "environment": _named(environment), "subject": subject}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if groups:
        wanted["group"] = list(groups)
    with Crud(access(os.environ.get("ROWCAST_CRUD_URL"), os.environ)) as crud:
        return crud.explain(wanted)


def _named(text: str) -> str | None:
    return None if text == "*" else text
