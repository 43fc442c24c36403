"""The commands `rowcast crud …`."""

import math
from typing import Annotated

import orjson
import typer

from rowcast.core.errors import TransientError
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import told
from rowcast.runtime.logging import configure_logging, get_logger
from rowcast.runtime.server import serve as serve_app

app = typer.Typer(no_args_is_help=True, add_completion=False)
_LONGEST_PAUSE = 5.0  # seconds


@app.command()
def serve(
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate first, once the database answers.")] = False,
) -> None:
    """Serve the API until SIGTERM. Needs ROWCAST_DATABASE_URL."""
    from rowcast.crud.app import create_app

    settings = _settings()
    if migrate:
        with told():
            _migrate(settings, math.inf)
    serve_app(create_app(settings), settings)


@app.command(name="migrate")
def migrate_command(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the database answers.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most; 0: for ever.")] = 300,
) -> None:
    """Bring the database to the level that this version needs, with the roles that serve and replicate.

    Functions that a version before has installed to capture tables are renewed: no table is locked or written.
    A database that a newer version has migrated is left as it is. Exit codes: 0 done, 1 refused, or the database
    doesn't answer, 2 wrong settings, 3 it didn't answer within --timeout.
    """
    with told():
        _migrate(_settings(), (timeout or math.inf) if wait else None)


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


def _migrate(settings: CrudSettings, seconds: float | None) -> None:
    """Migrate, trying for so many seconds, or once. Raises TransientError, LateError, RoleError."""
    from rowcast.crud.migrations.migrate import migrate

    log = get_logger("rowcast.crud.cli")

    def attempt() -> None:
        try:
            migrate(settings)
        except TransientError as error:
            log.warning("waiting for the database", reason=str(error))
            raise

    if seconds is None:
        migrate(settings)
    else:
        Deadline(seconds, slowest=_LONGEST_PAUSE).until(attempt)
