"""`rowcast connector …`"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from rowcast.connector.apply import Patience, apply, snapshot_again, wait_until_running
from rowcast.connector.client import ConnectClient
from rowcast.connector.definition import NAME, read_definition
from rowcast.connector.errors import ConnectorError
from rowcast.connector.plan import Change, Plan
from rowcast.runtime.connect_access import read_connect_access, without_login
from rowcast.runtime.exits import told

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The Debezium connector that captures changes.")


Name = Annotated[
    str,
    typer.Option(envvar="ROWCAST_CONNECTOR_NAME", help="The connector's name: another one for each on one Connect."),
]
TopicPrefix = Annotated[
    str, typer.Option(envvar="ROWCAST_TOPIC_PREFIX", help="What its topics begin with, as for the services.")
]
Slot = Annotated[
    str, typer.Option(envvar="ROWCAST_CAPTURE_SLOT", help="The replication slot: another one for each on one server.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One more setting, or another value; may be given often."),
]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to go on trying; 0: for ever.")]


ConnectUrl = Annotated[
    str,
    typer.Option(
        envvar="ROWCAST_CONNECT_URL",
        callback=lambda url: _without_login(url),
        help="Kafka Connect's REST interface. Its login: ROWCAST_CONNECT_USERNAME and ROWCAST_CONNECT_PASSWORD.",
    ),
]


@app.command(name="apply")
def apply_command(
    connect_url: ConnectUrl,
    name: Name = NAME,
    topic_prefix: TopicPrefix = NAME,
    slot: Slot = NAME,
    setting: Set = None,
    wait: Annotated[bool, typer.Option(help="Wait until the connector and every task run.")] = True,
    timeout: Timeout = 120,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would change.")] = False,
    watch: Annotated[
        float | None, typer.Option(min=0.1, help="Then look every so many seconds and start again what failed.")
    ] = None,
) -> None:
    """Put the connector's configuration to Kafka Connect, if it differs from what is there.

    Credentials are no options: Connect itself reads ROWCAST_CAPTURE_DB_HOST, _PORT, _NAME, _USER and _PASSWORD from its
    own environment. With TLS to PostgreSQL: --set database.sslmode=verify-full --set database.sslrootcert=PATH. Exit
    codes: 0 done, 1 refused or not in time, 2 wrong options.
    """
    with told():
        definition = read_definition(name=name, topic_prefix=topic_prefix, slot=slot, settings=setting or ())
    patience = Patience(timeout, say=_say)
    with _errors_told(), _client(connect_url, definition.name) as client:
        _print(apply(client, definition, patience, dry_run=dry_run), definition.name, dry_run=dry_run)
        if wait and not dry_run:
            typer.echo(str(wait_until_running(client, patience, pause=_settle)))
        while watch is not None and not dry_run:
            time.sleep(watch)
            apply(client, definition, Patience(0, say=_say))
            wait_until_running(client, Patience(0, slowest=30, say=_say), pause=_settle)


@app.command(name="resnapshot")
def resnapshot_command(connect_url: ConnectUrl, name: Name = NAME, timeout: Timeout = 120) -> None:
    """Read the whole table again: after the database was restored from a copy that has the replication slot."""
    definition = read_definition(name=name)
    patience = Patience(timeout, say=_say)
    with _errors_told(), _client(connect_url, definition.name) as client:
        snapshot_again(client, patience)
        typer.echo(str(wait_until_running(client, patience, pause=_settle)))


def _client(url: str, name: str) -> ConnectClient:
    with told():
        login = read_connect_access().connect_login
    return ConnectClient(url, name, login=login)


def _without_login(url: str) -> str:
    try:
        return without_login(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except ConnectorError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _settle() -> None:
    # Debezium fails within a fraction of this if slot, publication or rights are missing.
    time.sleep(1)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _print(planned: Plan, name: str, *, dry_run: bool) -> None:
    # Of a new connector every setting is new: they are in the file.
    for difference in planned.differences if planned.change is Change.CONFIGURED else ():
        typer.echo(f"  {difference}")
    typer.echo(f"connector {name}: {planned.change}{' (dry run)' if dry_run else ''}")
