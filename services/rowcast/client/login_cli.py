"""`rowcast login`, `logout` and `whoami`: by whose token crud is asked."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from rowcast.check import credentials
from rowcast.check.access import Crud, access
from rowcast.check.credentials import Bearer
from rowcast.check.oidc import Issuer, LoginError, is_safe
from rowcast.check.wait_cli import CrudUrl
from rowcast.client.output import Output, OutputOption, one_as, show
from rowcast.runtime.exits import Exit, UsageError, told
from rowcast.runtime.person import this_user

login_app = typer.Typer(add_completion=False)
logout_app = typer.Typer(add_completion=False)
whoami_app = typer.Typer(add_completion=False)


class Use(StrEnum):
    """Which of an issuer's tokens crud is shown."""

    ID = "id_token"
    ACCESS = "access_token"


@login_app.command()
def login(
    server: Annotated[
        str, typer.Option("--server", envvar="ROWCAST_CRUD_URL", help="The API: https://rowcast.example.com.")
    ],
    issuer: Annotated[
        str, typer.Option(envvar="ROWCAST_OIDC_ISSUER", help="The OpenID Connect issuer, which crud has to know, too.")
    ],
    client_id: Annotated[
        str, typer.Option(envvar="ROWCAST_OIDC_CLIENT_ID", help="What the issuer calls this command.")
    ] = "rowcast",
    audience: Annotated[
        str | None, typer.Option(envvar="ROWCAST_OIDC_AUDIENCE", help="For whom the token is, if the issuer asks.")
    ] = None,
    scope: Annotated[str, typer.Option(help="What is asked for.")] = "openid profile email groups offline_access",
    use: Annotated[Use, typer.Option(help="Which token crud is shown.")] = Use.ID,
) -> None:
    """Log in by a browser, on this machine or another one, and keep the token for all commands.

    The token is kept in $XDG_CONFIG_HOME/rowcast (by default ~/.config/rowcast), which nobody else can read, goes to
    this server only, and is refreshed by itself. Where there is nobody, as in CI, nothing is to be logged in: set
    ROWCAST_TOKEN, or ROWCAST_TOKEN_FILE, which is read by each command anew. A pod's own token for Rowcast is found at
    /var/run/secrets/rowcast/token. Exit codes: 0 done, 1 the issuer says no, or doesn't answer, 2 wrong options.
    """
    with told():
        if not is_safe(server):
            raise UsageError(f"--server {server} has to be an https URL (http on this machine only)")
        token = Issuer(issuer, client_id).log_in(scope, audience, _tell)
        kept = {"issuer": issuer.rstrip("/"), "client_id": client_id, "token": token, "use": use.value}
        if use not in token:
            raise LoginError(f"{issuer} gives no {use}: ask for the scope openid, or say --use access_token")
        credentials.keep(server, kept, os.environ)
        who = claims(str(token[use]))
        typer.echo(f"logged in to {server} as {_name(who)}")


def _tell(page: str, code: str) -> None:
    typer.echo(f"Open {page}\nand confirm the code {code}. Waiting …", err=True)


@logout_app.command()
def logout(
    server: Annotated[
        str | None, typer.Option("--server", help="Of which server [default: the one that was logged in to last]")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Of all servers.")] = False,
) -> None:
    """Forget a login. The issuer's own session in the browser is not ended.

    Exit codes: 0 done, also where there was none, 2 wrong options.
    """
    with told():
        if all_ and server:
            raise UsageError("name one server, or say --all")
        wanted = server or credentials.logins(os.environ)["current"]
        gone = credentials.forget(None if all_ else wanted, os.environ) if all_ or wanted else []
        typer.echo("\n".join(f"logged out of {each}" for each in gone) or "there was no login")


@whoami_app.command()
def whoami(
    output: OutputOption = Output("table"),  # noqa: B008 - it never changes
    crud_url: CrudUrl = None,
) -> None:
    """Show whose token goes to which server, until when it is good, and whom crud takes you for.

    Exit codes: 0 crud takes it, 1 crud refuses, or doesn't answer, 2 wrong options.
    """
    with told():
        one_as(output, ("table", "wide", "yaml", "json", "jsonpath"))
        to = access(crud_url, os.environ)
        found = _sent(to.headers.get("authorization"), crud_url)
        facts: dict[str, Any] = {"server": to.url, "token": found.source if found else None}
        facts |= _facts(claims(found.token)) if found else {}
        show(output, facts, (), lambda _wide: (f"{name}: {_words(value)}" for name, value in facts.items()))
        with Crud(to, person=this_user()) as crud:
            mine = crud.send("GET", "/access:mine")
        typer.echo(f"crud takes you for {mine['person']}" + ("" if mine["verified"] else ", unverified"), err=True)
    raise typer.Exit(Exit.DONE)


def _sent(header: str | None, crud_url: str | None) -> Bearer | None:
    if header is None:
        return None
    server = crud_url or credentials.logins(os.environ)["current"] or "http://127.0.0.1"
    return credentials.bearer(server.rstrip("/").removesuffix("/v1"), os.environ)


def claims(token: str) -> Mapping[str, Any]:
    """What a token says of itself, which nobody has verified; empty for one that is no JWT."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _facts(said: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {
        "issuer": "iss",
        "subject": "sub",
        "name": "name",
        "email": "email",
        "groups": "groups",
        "audience": "aud",
    }
    facts = {name: said[claim] for name, claim in wanted.items() if claim in said}
    if isinstance(said.get("exp"), int | float):
        facts["expires"] = datetime.fromtimestamp(said["exp"], UTC).isoformat()
    return facts


def _name(said: Mapping[str, Any]) -> str:
    return str(said.get("email") or said.get("name") or said.get("sub") or "somebody whom only crud knows")


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
