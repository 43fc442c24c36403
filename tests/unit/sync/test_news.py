"""What could not be published at once is published later, of each row the newest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from rowcast.core.errors import TooLargeError, TransientError
from rowcast.core.messages import Status, status
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News
from rowcast.core.row import app_config
from rowcast.sync.clock import now
from rowcast.sync.status.news import Later

pytestmark = pytest.mark.anyio


@dataclass
class Broker:
    """Refuses the first messages, and those that are too large."""

    refusals: int = 0
    largest: int = 256 * 1024
    taken: list[Status] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    refused: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        if len(orjson.dumps(data)) > self.largest:
            raise TooLargeError("too large")
        if self.refusals > 0:
            self.refusals -= 1
            self.refused.set()
            raise TransientError("away")
        self.taken += data["statuses"]
        self.heard.set()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def later(broker: Broker) -> AsyncIterator[Later]:
    queue = Later("git", broker, "status")
    task = asyncio.create_task(queue.run())
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def made(row_id: int, generation: int = 1, error: str | None = None) -> Status:
    result = Delivered(Outcome.CREATED, trouble=error)
    return status(News(app_config(row_id), f"n{row_id}", generation, False, result), result, now())


async def until(broker: Broker, count: int) -> list[tuple[int, int]]:
    """(row, generation) as published, once there are so many."""
    while len(broker.taken) < count:
        broker.heard.clear()
        await asyncio.wait_for(broker.heard.wait(), 20)
    return [(int(one["key"]), one["generation"]) for one in broker.taken]


async def test_news_of_rows_is_published(broker: Broker, later: Later) -> None:
    later.notice([News(app_config(1), "a", 3, False, Delivered(Outcome.CREATED, stage="proposed"))])

    assert await until(broker, 1) == [(1, 3)]
    assert broker.taken[0]["stage"] == "proposed"


async def test_what_a_broker_does_not_take_comes_again_and_the_newest_of_a_row_alone(
    broker: Broker, later: Later
) -> None:
    broker.refusals = 2
    later.publish([made(1), made(2)])
    await asyncio.wait_for(broker.refused.wait(), 20)
    later.publish([made(1, generation=2)])

    assert sorted(await until(broker, 2)) == [(1, 2), (2, 1)]


async def test_many_rows_with_long_texts_go_in_messages_that_the_broker_takes(broker: Broker, later: Later) -> None:
    broker.largest = 20_000
    later.publish([made(row_id, error="no " * 100_000) for row_id in range(1, 200)])

    assert [row_id for row_id, _ in await until(broker, 199)] == list(range(1, 200))
