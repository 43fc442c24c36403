"""Events that come one by one at the same time share a delivery, and each has its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rowcast.sync.batch import Entry
from rowcast.sync.gathering import Gathering

pytestmark = pytest.mark.anyio


class Deliveries(list[list[object]]):
    """What was delivered together. The first waits for `go`; events in `retry` must come again."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.retry: set[object] = set()
        self.broken = False

    async def deliver(self, entries: Sequence[Entry]) -> set[str]:
        self.append([entry.event for entry in entries])
        await self.go.wait()
        if self.broken:
            raise OSError("broken")
        return {entry.id for entry in entries if entry.event in self.retry}


def coming(gathering: Gathering, *events: object) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(gathering.deliver(Entry("0", one))) for one in events]


async def until_under_way(deliveries: Deliveries) -> None:
    async with asyncio.timeout(10):
        while not deliveries:  # noqa: ASYNC110 - between two looks; the condition decides
            await asyncio.sleep(0)


async def test_an_event_alone_is_delivered_at_once_and_those_that_come_meanwhile_are_the_next_batch() -> None:
    deliveries = Deliveries()
    gathering = Gathering(deliveries.deliver, most=2)
    first = coming(gathering, 1)
    await until_under_way(deliveries)
    others = coming(gathering, 2, 3, 4)
    deliveries.retry = {3}
    await asyncio.sleep(0)
    deliveries.go.set()

    assert await asyncio.gather(*first, *others) == [False, False, True, False]
    assert deliveries == [[1], [2, 3], [4]]


async def test_a_delivery_that_breaks_is_told_to_its_events_and_to_no_others() -> None:
    deliveries = Deliveries()
    gathering = Gathering(deliveries.deliver, most=10)
    (first,) = coming(gathering, 1)
    await until_under_way(deliveries)
    deliveries.broken = True
    deliveries.go.set()
    with pytest.raises(OSError, match="broken"):
        await first
    deliveries.broken = False

    assert await gathering.deliver(Entry("0", 2)) is False


async def test_who_asked_and_has_gone_keeps_nobody_else_from_the_answer() -> None:
    deliveries = Deliveries()
    gathering = Gathering(deliveries.deliver, most=10)
    (gone,) = coming(gathering, 1)
    await until_under_way(deliveries)
    (there,) = coming(gathering, 2)
    gone.cancel()
    deliveries.go.set()

    assert await there is False
