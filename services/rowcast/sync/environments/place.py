"""One of the places that an instance delivers to, where it has several."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rowcast.core.errors import TransientError
from rowcast.core.plan import Held
from rowcast.core.ports import DriftListener, Failed, NewsListener, Result, Target, Telling
from rowcast.core.render import Desired
from rowcast.core.row import RowKey

Make = Callable[[], Awaitable[Target]]
PATIENCE_SECONDS = 5.0
"""How long the rows of other places wait for one that doesn't answer."""


@dataclass(slots=True)
class Place:
    """A target that is made and started when it can be: one that is away holds up its own environments only."""

    route: str
    make: Make
    listener: DriftListener | None = None
    news: NewsListener | None = None
    target: Target | None = None
    started: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    late: asyncio.Task[Mapping[RowKey, Result]] | None = None

    async def ready(self) -> Target:
        """The target, started. Raises TransientError, which names the route."""
        async with self.turn:
            try:
                return await self._ready()
            except TransientError as error:
                raise TransientError(f"{self.route}: {error}") from error

    async def _ready(self) -> Target:
        if self.target is None:
            self.target = await self.make()
            if self.listener is not None:
                self.target.listen(self.listener)
            if self.news is not None and isinstance(self.target, Telling):
                self.target.tell(self.news)
        if not self.started:
            await self.target.start()
            self.started = True
        return self.target

    def known(self, row: RowKey) -> Sequence[Held]:
        """What is known of a row, under the target's own names."""
        return () if self.target is None else self.target.known(row)

    def named(self, held: Iterable[Held]) -> list[Held]:
        """Places of different targets may have the same path."""
        return [replace(one, key=f"{self.route}:{one.key}") for one in held]

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """As the target does; what keeps it from delivering anything is each row's failure.

        So is its taking longer than PATIENCE_SECONDS: rows of other places don't wait for it. What was begun goes on,
        and until it has ended, nothing more is begun.
        """
        if self.late is not None and not self.late.done():
            return _failed(batch, TransientError(f"{self.route}: still busy with what it was given before"))
        task = asyncio.create_task(self._deliver(batch))
        try:
            await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            return task.result()
        self.late = task
        return _failed(batch, TransientError(f"{self.route}: no answer within {PATIENCE_SECONDS:g} s"))

    async def _deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        try:
            return await (await self.ready()).deliver(batch)
        except TransientError as error:
            return _failed(batch, error)

    async def close(self) -> None:
        """Close the target, if there is one yet; what it was late with is begun again by whoever comes next."""
        if self.late is not None:
            self.late.cancel()
            await asyncio.gather(self.late, return_exceptions=True)
        if self.target is not None:
            await self.target.close()

    async def inventory(self) -> Iterable[Held]:
        """The target's, under names that no other place has. Raises TransientError."""
        return self.named(await (await self.ready()).inventory())


def _failed(batch: Sequence[Desired], error: TransientError) -> Mapping[RowKey, Result]:
    return {one.row: Failed(error) for one in batch}
