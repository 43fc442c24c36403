"""The commands `rowcast crud …`."""

import time
from typing import Annotated

import orjson
import typer

from rowcast.core.errors import RowcastError, TransientError
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.logging import configure_logging, get_logger
from rowcast.runtime.server import serve as serve_app

app = typer.Typer(no_args_is_help=True)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds


@app.command()
def serve(
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate first, once the database answers.")] = False,
) -> None:
    """Serve the API until SIGTERM. Needs ROWCAST_DATABASE_URL."""
    from rowcast.crud.app import create_app

    settings = _settings()
    if migrate:
        _migrate(settings, patient=True)
    serve_app(create_app(settings), settings)


@app.command(name="migrate")
def migrate_command(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the database answers.")] = False,
) -> None:
    """Bring the database to the level that this version needs, and set the replication role's password."""
    _migrate(_settings(), patient=wait)


@app.command()
def openapi() -> None:
    """Print the API's description (OpenAPI, JSON)."""
    from rowcast.crud.app import create_app

    nowhere = CrudSettings.model_validate({"database_url": "postgresql://nowhere/none"})
    print(orjson.dumps(create_app(nowhere).openapi(), option=orjson.OPT_INDENT_2).decode())


def _settings() -> CrudSettings:
    settings = CrudSettings.load()
    configure_logging("crud", settings.log_format, settings.log_level)
    return settings


def _migrate(settings: CrudSettings, patient: bool) -> None:
    from rowcast.crud.migrations.migrate import migrate

    log = get_logger("rowcast.crud.cli")
    pause = _FIRST_PAUSE
    while True:
        try:
            return migrate(settings)
        except TransientError as error:
            if not patient:
                _fail(error)
            log.warning("waiting for the database", reason=str(error), retry_seconds=pause)
        except RowcastError as error:
            _fail(error)
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _fail(error: RowcastError) -> None:
    typer.echo(f"rowcast: {error}", err=True)
    raise typer.Exit(1)
