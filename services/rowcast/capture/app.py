"""The capture service's composition root."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
from fastapi import FastAPI, Response

from rowcast.capture.broker_facts import Recovery, RememberedFacts
from rowcast.capture.engine import Consumer, Engine, Java, version, write_position
from rowcast.capture.engine_settings import database_settings, engine_settings
from rowcast.capture.facts import Condition, State
from rowcast.capture.metrics import CaptureMetrics
from rowcast.capture.offsets import Offsets
from rowcast.capture.outlet import LoopOutlet
from rowcast.capture.publisher import Publisher, Sender
from rowcast.capture.running import Running
from rowcast.capture.settings import CaptureSettings
from rowcast.capture.sidecar import CaptureSidecar, NativeSender
from rowcast.connector.definition import read_definition
from rowcast.core.broker import Broker
from rowcast.core.errors import TransientError
from rowcast.runtime.application import equip

CONNECT_SECONDS = 5


def create_app(settings: CaptureSettings, broker: Broker | None = None) -> FastAPI:
    """Wire it; a test may bring its own broker."""
    condition = Condition()
    sidecar = CaptureSidecar(settings)
    sender: Sender = sidecar
    lanes, recover = settings.capture_lanes, None
    if broker is not None:
        recover = Recovery(broker).recover
        if broker.publisher is not None:
            sender, lanes = NativeSender(broker.publisher, sidecar), 1
    publisher = Publisher(sender, lanes, settings.targets, settings.dead_letter_topic, recover=recover)
    facts = RememberedFacts(broker, settings.broker)

    async def prepare() -> None:
        if broker is not None:
            await broker.prepare()
        await sidecar.check()

    outlet = LoopOutlet(publisher.publish, prepare)
    starter = _Starter(settings, condition)
    offsets = Offsets(settings.capture_slot, settings.broker, starter.log_in)
    running = Running(offsets, outlet, starter.start, condition)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sidecar.open()
        outlet.open()
        running.begin()
        yield
        await asyncio.to_thread(running.end, settings.shutdown_seconds)
        await sidecar.aclose()
        if broker is not None:
            await broker.aclose()
        starter.close()
        if equipment.tracing is not None:
            await asyncio.to_thread(equipment.tracing.shutdown)

    app = FastAPI(title="Rowcast capture", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    equipment = equip(app, settings, "capture")
    CaptureMetrics(condition, publisher.progress, _now, equipment.registry)

    async def is_running() -> None:
        if condition.state is not State.RUNNING:
            raise TransientError(condition.error or "the engine is starting")

    async def is_taken() -> None:
        waiting = publisher.progress.waiting(_now())
        if waiting is not None and waiting.error is not None:
            raise TransientError(f"an event waits since {_text(waiting.since)}: {waiting.error}")

    equipment.readiness.add("engine", is_running)
    equipment.readiness.add("broker", is_taken)

    @app.get("/facts")
    async def tell() -> dict[str, Any]:
        progress = publisher.progress
        waiting = progress.waiting(_now())
        error = condition.error or (waiting and waiting.error)
        return {
            "engine": condition.engine,
            "state": condition.state,
            "error": error,
            "offsets_known": condition.offsets_known,
            "lsn": condition.lsn,
            "snapshot": condition.snapshot,
            "published": progress.published,
            "dead_lettered": progress.dead_lettered,
            "last_published_at": _text(progress.last_published_at),
            "waiting_since": _text(waiting.since if waiting else None),
            "broker": await facts.get(),
        }

    @app.post("/resnapshot", status_code=202)
    async def resnapshot() -> Response:
        await asyncio.to_thread(running.snapshot_again)
        return Response(status_code=202)

    return app


class _Starter:
    """Makes engines, with the passwords of the moment."""

    def __init__(self, settings: CaptureSettings, condition: Condition) -> None:
        self._settings = settings
        self._condition = condition
        self._java = Java(settings.java_home, settings.archives, settings.capture_heap_mib)
        self._folder = tempfile.TemporaryDirectory(prefix="rowcast-capture-", dir=settings.capture_folder)

    def close(self) -> None:
        self._folder.cleanup()

    def start(self, position: Mapping[str, Any] | None, consumer: Consumer) -> Engine:
        settings = self._settings
        self._java.start(settings.log_level)
        self._condition.engine = version()
        name = settings.topic_prefix
        file = Path(self._folder.name) / "offsets"
        write_position(file, name, settings.topic_prefix, position)
        connector = read_definition(topic_prefix=settings.topic_prefix, slot=settings.capture_slot).config
        return Engine(engine_settings(connector, self._database(), name, file), consumer)

    def log_in(self, options: str) -> Any:
        """A session of the replicating role's. Raises psycopg2.Error, TransientError."""
        settings = self._settings
        return psycopg2.connect(
            host=settings.capture_db_host,
            port=settings.capture_db_port,
            dbname=settings.capture_db_name,
            user=settings.capture_db_user,
            password=self._password(),
            sslmode=settings.capture_db_sslmode,
            sslrootcert=settings.capture_db_sslrootcert and str(settings.capture_db_sslrootcert),
            options=options,
            connect_timeout=CONNECT_SECONDS,
            application_name="rowcast-capture",
        )

    def _database(self) -> dict[str, str]:
        settings = self._settings
        return database_settings(
            settings.capture_db_host,
            settings.capture_db_port,
            settings.capture_db_name,
            settings.capture_db_user,
            self._password(),
            settings.capture_db_sslmode,
            settings.capture_db_sslrootcert,
        )

    def _password(self) -> str:
        try:
            return self._settings.password
        except (OSError, UnicodeDecodeError) as error:
            raise TransientError(f"ROWCAST_CAPTURE_DB_PASSWORD_FILE: {error}") from error


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
