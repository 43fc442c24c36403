"""Puts crud together; the one place that wires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import Engine, text

from rowcast import __version__
from rowcast.core.errors import TransientError
from rowcast.crud.answers import add_answers, describe_problems
from rowcast.crud.database import make_engine, reading
from rowcast.crud.migrations.migrate import current_level, head_level
from rowcast.crud.routes import appconfigs, batches, details, lists, snapshots
from rowcast.crud.settings import CrudSettings
from rowcast.crud.subscriber import SyncStatusSubscriber
from rowcast.runtime.application import equip

SERVICE = "crud"
_DESCRIPTION = """The API that owns Rowcast's table of application configurations. What a row says is what will run.

Every error is a problem (RFC 9457), whose `errors` name field and rule. A row's `ETag` is its generation, which rises
with every change; send it as `If-Match` to change only what you saw. `x-rowcast-user` says who makes a change."""


def create_app(settings: CrudSettings) -> FastAPI:
    """The application. It connects to the database when it must, so it starts without one."""
    engine = make_engine(settings)
    app = FastAPI(
        title="Rowcast crud", version=__version__, description=_DESCRIPTION, lifespan=_lifespan, redirect_slashes=False
    )
    app.state.settings = settings
    app.state.engine = engine
    equipment = equip(app, settings, SERVICE)
    add_answers(app)
    for module in (lists, snapshots, batches, details, appconfigs):
        app.include_router(module.router)
    SyncStatusSubscriber(engine, equipment.registry).subscribe(app, settings.pubsub)
    equipment.readiness.add("database", lambda: _check_database(engine))
    equipment.readiness.add("migrations", lambda: _check_migrations(engine))
    describe_problems(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    engine: Engine = app.state.engine
    engine.dispose()


def _check_database(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(text("SELECT 1"))


def _check_migrations(engine: Engine) -> None:
    with reading(engine) as connection:
        level = current_level(connection)
    if level != head_level():
        raise TransientError(f"the database is at migration {level}, this version needs {head_level()}")
