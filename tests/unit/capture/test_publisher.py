"""Events go to the broker in their rows' order, each until it is taken, whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowcast.capture.events import Event
from rowcast.capture.publisher import Publisher, UnderWay
from rowcast.core.errors import TooLargeError, TransientError

LETTERS = "rowcast.dead-letters"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
Failure = str
"""`refused`: not taken. `unsure`: taken, but the answer is lost. `large`: never taken."""


class Broker:
    """Keeps what it takes; fails as it is told, attempt by attempt, and takes everything after that."""

    def __init__(
        self, failures: Sequence[Failure | None] = (), most: int = 1, large: frozenset[str] = frozenset()
    ) -> None:
        self.most = most
        self.taken: list[Event] = []
        self.letters: list[dict[str, Any]] = []
        self.at_once = 0
        self.under_way: set[str] = set()
        self._failures = list(failures)
        self._large = large

    async def send(self, events: Sequence[Event]) -> None:
        keys = {event.key for event in events}
        assert not keys & self.under_way, "two of one row at once"
        self.under_way |= keys
        self.at_once = max(self.at_once, len(self.under_way))
        await asyncio.sleep(0)
        self.under_way -= keys
        failure = self._failures.pop(0) if self._failures else None
        if failure == "refused":
            raise TransientError("away")
        if any(event.id in self._large for event in events):
            raise TooLargeError("too large")
        self.taken += events
        if failure == "unsure":
            raise TransientError("the answer is lost")

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        assert topic == LETTERS
        if self._failures and self._failures.pop(0) == "refused":
            raise TransientError("away")
        self.letters.append(data)


def publisher(broker: Broker, lanes: int = 4) -> Publisher:
    async def no_pause(_seconds: float) -> None:
        await asyncio.sleep(0)

    return Publisher(broker, lanes, ("k8s", "git"), LETTERS, clock=lambda: NOW, sleep=no_pause)


def made(rows: Sequence[int]) -> list[Event]:
    """One event of each row named, in this order."""
    return [Event("changes", str(row), f"run-{n}", b'{"data":{"after":{"id":1}}}') for n, row in enumerate(rows)]


FAILURES = st.lists(st.sampled_from([None, "refused", "unsure"]), max_size=30)


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), max_size=40), FAILURES, st.integers(1, 8), st.sampled_from([1, 3, 100]))
def test_nothing_is_skipped_and_rows_keep_their_order(
    rows: list[int], failures: list[str | None], lanes: int, most: int
) -> None:
    events, broker = made(rows), Broker(failures, most)

    asyncio.run(publisher(broker, lanes).publish(events))

    for row in set(rows):
        wanted = [event.id for event in events if event.key == str(row)]
        arrived = [event.id for event in broker.taken if event.key == str(row)]
        assert list(dict.fromkeys(arrived)) == wanted
        assert arrived[-1] == wanted[-1]
    assert broker.at_once <= lanes * most


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.data(), FAILURES, st.sampled_from([1, 100]))
def test_what_is_too_large_is_a_dead_letter_for_each_target_and_the_rest_goes_on(
    rows: list[int], data: st.DataObject, failures: list[str | None], most: int
) -> None:
    events = made(rows)
    large = frozenset(data.draw(st.sets(st.sampled_from([event.id for event in events]))))
    broker = Broker(failures, most, large)
    one = publisher(broker)

    asyncio.run(one.publish(events))

    assert {event.id for event in broker.taken} == {event.id for event in events} - large
    assert {letter["position"]["event"] for letter in broker.letters} == large
    assert len(broker.letters) == 2 * len(large)
    assert one.progress.dead_lettered == len(large)


@pytest.mark.anyio
async def test_an_event_that_waits_is_told_with_its_time_and_reason() -> None:
    broker = Broker(["refused"])
    paused, go_on = asyncio.Event(), asyncio.Event()

    async def pause(_seconds: float) -> None:
        paused.set()
        await go_on.wait()

    one = Publisher(broker, 1, (), LETTERS, clock=lambda: NOW, sleep=pause)
    task = asyncio.create_task(one.publish(made([1])))
    await paused.wait()

    assert one.progress.waiting(NOW) == UnderWay(NOW, "away")
    go_on.set()
    await task
    assert one.progress.waiting(NOW) is None
    assert (one.progress.published, one.progress.refused) == (1, 1)


def test_one_that_takes_long_waits_though_nobody_has_refused_it() -> None:
    one = publisher(Broker())
    one.progress.under_way[0] = UnderWay(NOW)

    assert one.progress.waiting(NOW + timedelta(milliseconds=900)) is None
    assert one.progress.waiting(NOW + timedelta(milliseconds=1100)) == UnderWay(NOW)


@pytest.mark.anyio
async def test_cancelled_it_ends_though_the_broker_is_away() -> None:
    class Away(Broker):
        async def send(self, events: Sequence[Event]) -> None:
            raise TransientError("away")

    one = Publisher(Away(), 2, (), LETTERS)
    task = asyncio.create_task(one.publish(made([1, 2, 3])))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.progress.waiting(datetime.now(UTC)) is None


@pytest.mark.anyio
async def test_before_an_event_is_tried_again_the_broker_is_put_right() -> None:
    broker = Broker(["refused", "refused"])
    order: list[str] = []

    async def recover() -> None:
        order.append(f"recover before {len(broker.taken)} are taken")

    async def no_pause(_seconds: float) -> None: ...

    await Publisher(broker, 1, (), LETTERS, recover=recover, sleep=no_pause).publish(made([1]))

    assert order == ["recover before 0 are taken"] * 2
