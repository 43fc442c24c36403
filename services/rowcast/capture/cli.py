"""The commands `rowcast capture …`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer

from rowcast.core.errors import RowcastError, TransientError
from rowcast.runtime.exits import told
from rowcast.runtime.token import TOKEN_HEADER

app = typer.Typer(no_args_is_help=True, add_completion=False)
_SECONDS = 10.0

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="ROWCAST_CAPTURE_URL",
        help="The running capture's own address. Where it wants its sidecar's token, set APP_API_TOKEN.",
    ),
]
DEFAULT_URL = "http://127.0.0.1:8080"


@app.callback()
def main() -> None:
    """Capture changes without Kafka Connect."""


@app.command()
def serve() -> None:
    """Serve until SIGTERM; settings come from the environment (ROWCAST_CAPTURE_DB_HOST, …)."""
    from rowcast.capture.app import create_app
    from rowcast.capture.settings import CaptureSettings
    from rowcast.runtime.logging import configure_logging
    from rowcast.runtime.server import serve as serve_app

    settings = CaptureSettings.load()
    configure_logging("capture", settings.log_format, settings.log_level)
    serve_app(create_app(settings, settings.connect(settings.topic_prefix)), settings)


@app.command()
def status(url: Url = DEFAULT_URL) -> None:
    """Say how the running capture is. Exit codes: 0 it runs, 1 it doesn't, or doesn't answer."""
    with told():
        facts = _call("GET", url, "/facts").json()
        for line in lines(facts):
            typer.echo(line)
        if facts["state"] != "RUNNING":
            raise TransientError(f"capture is {facts['state']}: {facts['error'] or 'no reason yet'}")


@app.command()
def resnapshot(url: Url = DEFAULT_URL) -> None:
    """Let the running capture read the whole table again: every row arrives once more.

    It returns at once; `rowcast capture status` says how far it is. Exit codes: 0 asked for, 1 it doesn't answer.
    """
    with told():
        _call("POST", url, "/resnapshot")
        typer.echo("the whole table is read again")


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """What people read of the facts."""
    yield f"capture {facts['state']}{_because(facts['error'])}"
    reading = ", reading the whole table" if facts["snapshot"] else ""
    yield f"engine: Debezium {facts['engine'] or 'not started'}{reading}"
    yield f"position: {'none kept yet' if facts['lsn'] is None else lsn(facts['lsn'])}"
    yield f"published: {facts['published']} since its start, the last one at {facts['last_published_at'] or '-'}"
    if facts["waiting_since"]:
        yield f"waiting: an event that the broker hasn't taken, since {facts['waiting_since']}"
    broker = facts["broker"]
    yield f"broker: {' '.join(filter(None, (broker['kind'], broker['version'])))}{_because(broker['error'])}"


def _because(error: str | None) -> str:
    return f": {error}" if error else ""


def lsn(number: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def _call(method: str, url: str, path: str) -> httpx.Response:
    """Raises RowcastError for anything but a success."""
    token = os.environ.get("APP_API_TOKEN")
    headers = {TOKEN_HEADER: token} if token else {}
    try:
        answer = httpx.request(method, f"{url.rstrip('/')}{path}", headers=headers, timeout=_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(f"no answer from {url}: {str(error) or type(error).__name__}") from error
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise RowcastError(f"{url} wants the token of its sidecar: set APP_API_TOKEN")
    if answer.is_error:
        raise TransientError(f"{url}: {answer.status_code} {answer.text[:200]}")
    return answer
