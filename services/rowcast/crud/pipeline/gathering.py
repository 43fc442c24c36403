"""Asks every station at once, each for at most TIME_LIMIT seconds; what fails is a fact too."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Engine

from rowcast.core.capture import CaptureFacts
from rowcast.core.errors import TransientError
from rowcast.crud.pipeline import database, rows
from rowcast.crud.pipeline.capture import capture_port
from rowcast.crud.pipeline.database import DatabaseFacts
from rowcast.crud.pipeline.rows import Counted
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.logging import get_logger

TIME_LIMIT = 2.0
REST = 4
"""A count that takes long, of a million rows, begins again after so many times as long: who looks is no heavy load."""
T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a part answered, or why it didn't; neither if it wasn't asked."""

    value: T | None = None
    error: str | None = None


@dataclass(frozen=True)
class Gathered:
    """Everything that was found at one moment; `syncs` by target."""

    at: datetime
    database: Answer[DatabaseFacts] = Answer()
    rows: Answer[Counted] = Answer()
    capture: Answer[CaptureFacts] = Answer()
    sidecar: Answer[bool] = Answer()
    syncs: Mapping[str, Answer[Mapping[str, Any]]] = field(default_factory=dict)


class Gathering:
    """Whoever asks while it is asking gets the same answers: many who watch are no more load than one."""

    def __init__(self, settings: CrudSettings, engine: Engine, sidecar: DaprPublisher) -> None:
        self._settings = settings
        self._engine = engine
        self._sidecar = sidecar
        self._capture = capture_port(settings, sidecar, TIME_LIMIT)
        self._published_at: datetime | None = None
        self._counted: Answer[Counted] = Answer(error="they are being counted")
        self._count_again = 0.0
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._all: asyncio.Task[Gathered] | None = None
        self._log = get_logger("rowcast.pipeline")

    async def aclose(self) -> None:
        """Closes the connections to whatever captures."""
        if self._capture is not None:
            await self._capture.aclose()

    async def gather(self) -> Gathered:
        """Nothing is raised. Takes TIME_LIMIT at most."""
        if self._all is None or self._all.done():
            self._all = asyncio.create_task(self._gather())
        return await asyncio.shield(self._all)

    async def counted(self) -> Answer[Counted]:
        """The rows alone, as `gather` has them. Nothing is raised. Takes TIME_LIMIT at most."""
        return await self._rows(TIME_LIMIT)

    async def _gather(self) -> Gathered:
        targets = self._settings.targets
        asked: Sequence[Awaitable[Any]] = (
            self._ask_database(),
            self._ask("capture", self._ask_capture),
            self._ask("sidecar", self._ask_sidecar),
            *(self._ask(f"sync-{target}", self._asking(target)) for target in targets),
        )
        found = await asyncio.gather(*asked)
        syncs = dict(zip(targets, found[3:], strict=True))
        facts, counted = found[0]
        return Gathered(datetime.now(UTC), facts, counted, found[1], found[2], syncs)

    async def _ask(self, name: str, ask: Callable[[], Awaitable[Any]], seconds: float = TIME_LIMIT) -> Answer[Any]:
        task = self._running.get(name)
        # A question that hangs in a thread can't be taken back: wait for that one rather than add another.
        if task is None or task.done():
            task = self._running[name] = asyncio.create_task(cast("Any", ask()))
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            return Answer(error=f"no answer within {TIME_LIMIT:g} s")
        error = task.exception()
        if error is None:
            return Answer(task.result())
        if not isinstance(error, TransientError):
            self._log.error("a part could not be asked", part=name, exc_info=error)
        return Answer(error=str(error) or type(error).__name__)

    async def _ask_database(self) -> tuple[Answer[DatabaseFacts], Answer[Counted]]:
        """The rows after the rest, which says what was published."""
        began = time.monotonic()
        answer: Answer[DatabaseFacts] = await self._ask("database", self._database)
        if answer.value is None:
            return answer, Answer(error=answer.error)
        return answer, await self._rows(TIME_LIMIT - (time.monotonic() - began))

    async def _database(self) -> DatabaseFacts:
        facts = await asyncio.to_thread(database.read, self._engine, self._settings.targets, self._published_at)
        self._published_at = facts.published_at
        return facts

    async def _rows(self, seconds: float) -> Answer[Counted]:
        """The rows as they were last counted, where a count takes longer than anybody waits."""
        if time.monotonic() < self._count_again:
            return self._counted
        answer: Answer[Counted] = await self._ask("rows", self._count, seconds)
        return answer if self._running["rows"].done() else self._counted

    async def _count(self) -> Counted:
        settings, started = self._settings, time.monotonic()
        patience = timedelta(seconds=settings.overdue_seconds)
        known = self._published_at
        try:
            counted = await asyncio.to_thread(rows.count, self._engine, settings.targets, patience, known)
        except TransientError as error:
            self._counted = Answer(error=str(error))
            raise
        self._counted = Answer(counted)
        ended = time.monotonic()
        self._count_again = ended + REST * (ended - started) if ended - started > TIME_LIMIT / 2 else 0.0
        return counted

    async def _ask_capture(self) -> CaptureFacts | None:
        return await self._capture.facts() if self._capture else None

    async def _ask_sidecar(self) -> bool:
        await self._sidecar.check()
        return True

    def _asking(self, target: str) -> Callable[[], Awaitable[Any]]:
        return lambda: self._sidecar.invoke(f"sync-{target}", "/facts")
