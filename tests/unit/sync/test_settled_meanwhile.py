"""Rows that wait, and settle just as their turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from rowcast.core.row import app_config
from rowcast.sync.intake import retries as module
from rowcast.sync.intake.batch import Entry
from rowcast.sync.intake.retries import Retries

pytestmark = pytest.mark.anyio


async def test_a_row_that_settles_as_its_turn_comes_does_not_end_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another batch with the same row (a replay, an event that the broker brings twice) arrives between the moment at
    which the row is chosen and the first step of the task that tries it.
    """
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.001)
    queue = Retries(lambda: datetime(2026, 1, 2, tzinfo=UTC))
    tried: list[object] = []

    async def deliver(entries: Sequence[Entry]) -> None:
        tried.extend(entry.event for entry in entries)
        for number in (1, 2):
            queue.release(app_config(number), (1, False))

    chosen = queue._take

    def take(name: str) -> list[Any]:
        rows = chosen(name)
        if rows == [app_config(1)]:
            # A delivery whose answer has come is in the loop's queue already, before the task that is made now.
            asyncio.get_running_loop().call_soon(queue.release, app_config(1), (1, False))
        return rows

    monkeypatch.setattr(queue, "_take", take)
    task = asyncio.create_task(queue.run(deliver))
    queue.hold(app_config(1), (1, False), Entry("x", 1), "down")
    async with asyncio.timeout(10):
        while len(queue):  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0)
        queue.hold(app_config(2), (1, False), Entry("x", 2), "down")
        while len(queue) and not task.done():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
    ended = task.done() and repr(task.exception())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (ended, tried, len(queue)) == (False, [2], 0)
