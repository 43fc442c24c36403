"""Events go to the broker in their rows' order, each until it is taken, whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowcast.capture.broker_facts import Recovery
from rowcast.capture.events import Event
from rowcast.capture.publisher import Publisher, UnderWay
from rowcast.core.errors import PermanentError, TooLargeError, TransientError

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


class Forgetful(Broker):
    """Has lost what it had whenever it refuses anything; until it is made ready, nobody hears of what is sent to it."""

    def __init__(self, failures: Sequence[Failure | None], unreachable: Sequence[bool], most: int) -> None:
        super().__init__(failures, most)
        self.ready = True
        self.unheard: list[str] = []
        self._unreachable = list(unreachable)

    async def send(self, events: Sequence[Event]) -> None:
        if not self.ready:
            self.unheard += [event.id for event in events]
        try:
            await super().send(events)
        except TransientError:
            self.ready = False
            raise

    async def prepare(self) -> None:
        await asyncio.sleep(0)
        if self._unreachable and self._unreachable.pop(0):
            raise TransientError("away")
        self.ready = True


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 6), max_size=40),
    FAILURES,
    st.lists(st.booleans(), max_size=10),
    st.integers(1, 8),
    st.sampled_from([1, 3]),
)
def test_a_broker_that_has_refused_something_is_sent_nothing_before_it_is_ready(
    rows: list[int], failures: list[str | None], unreachable: list[bool], lanes: int, most: int
) -> None:
    events, broker = made(rows), Forgetful(failures, unreachable, most)

    async def publish() -> None:
        recovery = Recovery(broker)  # type: ignore[arg-type]
        one = Publisher(broker, lanes, (), LETTERS, recover=recovery.recover, sleep=lambda _seconds: asyncio.sleep(0))
        await one.publish(events)

    asyncio.run(publish())

    assert broker.unheard == []
    assert {event.id for event in broker.taken} == {event.id for event in events}


@pytest.mark.anyio
async def test_what_the_broker_refuses_us_for_good_is_no_reason_to_publish_nothing() -> None:
    class Closed(Forgetful):
        async def prepare(self) -> None:
            raise PermanentError("unusable", "not our login")

    broker = Closed(["refused"], [], 1)
    recovery = Recovery(broker)  # type: ignore[arg-type]
    one = Publisher(broker, 1, (), LETTERS, recover=recovery.recover, sleep=lambda _seconds: asyncio.sleep(0))

    await one.publish(made([1]))

    assert one.progress.published == 1
