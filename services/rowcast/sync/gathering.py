"""Events that come one by one, delivered together: those that come while others are under way make the next batch.

It costs an event no time: one that comes alone is delivered at once. A broker that waits for each answer before it
hands over the next event is not helped by it (`reconcile/schedule.py`, `Late` is its way).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from rowcast.sync.batch import Entry


class Gathering:
    """At most one batch of them is under way."""

    def __init__(self, deliver: Callable[[Sequence[Entry]], Awaitable[Collection[str]]], most: int) -> None:
        """`deliver` is `Delivery.deliver`; `most` is how many events it is given at once."""
        self._deliver = deliver
        self._most = most
        self._waiting: list[tuple[Entry, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def deliver(self, entry: Entry) -> bool:
        """Deliver an event; whether it must come again. Raises what the delivery of its batch has raised."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._deliver_batch(batch)
        finally:
            self._task = None

    async def _deliver_batch(self, batch: Sequence[tuple[Entry, asyncio.Future[bool]]]) -> None:
        # Each came by itself, and by the same id as any other.
        entries = [replace(entry, id=str(number)) for number, (entry, _) in enumerate(batch)]
        try:
            retry = await self._deliver(entries)
        except BaseException as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else RuntimeError("stopped"))
            if not isinstance(error, Exception):
                raise
            return
        for entry, (_, answer) in zip(entries, batch, strict=True):
            if not answer.done():  # who asked may have gone
                answer.set_result(entry.id in retry)
