"""What an instance remembers of its work, by a clock that the test turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rowcast.core.errors import TransientError
from rowcast.core.events import Change, decode
from rowcast.core.row import app_config
from rowcast.sync.monitoring.facts import Facts
from rowcast.sync.routes.facts import KEEP_SECONDS, Remembered
from unit.core.changes import event

ROW, OTHER = app_config(1), app_config(2)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def facts(clock: Clock) -> Facts:
    return Facts(clock)


def change(lsn: int, generation: int = 1) -> Change:
    return decode(event(lsn=lsn, generation=generation))


def at(offset: int, partition: int = 0) -> dict[str, str]:
    return {"__offset": str(offset), "__partition": str(partition)}


def test_a_retry_counts_from_its_first_failure_and_tells_the_last_reason(facts: Facts, clock: Clock) -> None:
    began = clock.now
    facts.retried([ROW], "down")
    clock.passes(5)
    facts.retried([ROW, OTHER], "still down")

    retrying = facts.retrying()

    assert (retrying.rows, retrying.since, retrying.error) == (2, began, "still down")


def test_a_row_that_arrived_is_retried_no_more(facts: Facts) -> None:
    facts.retried([ROW], "down")
    facts.settled([ROW, OTHER])

    assert (facts.retrying().rows, facts.retrying().since) == (0, None)


def test_a_retry_that_never_came_again_went_to_another_instance(facts: Facts, clock: Clock) -> None:
    facts.retried([ROW], "down")
    clock.passes(61)

    assert facts.retrying().rows == 0


def test_a_batch_that_hangs_shows_since_when(facts: Facts, clock: Clock) -> None:
    began = clock.now
    hanging = facts.began(3)
    clock.passes(60)
    facts.ended(facts.began(1))

    assert facts.in_flight_since() == began
    facts.ended(hanging)
    assert (facts.in_flight_since(), facts.events) == (None, 4)


def test_news_at_a_place_that_was_read_before_is_another_topic(facts: Facts, clock: Clock) -> None:
    facts.received(change(1000), at(40))
    facts.received(change(2000), at(3))

    assert facts.topic_recreated_at == clock.now


@pytest.mark.parametrize(
    ("lsn", "offset", "why"),
    [
        (1000, 40, "the same again"),
        (900, 39, "an earlier one again"),
        (2000, 41, "the next"),
        (500, 41, "what the connector read again after its restart"),
    ],
)
def test_what_a_broker_brings_twice_is_no_other_topic(facts: Facts, lsn: int, offset: int, why: str) -> None:
    facts.received(change(1000), at(40))
    facts.received(change(lsn), at(offset))

    assert facts.topic_recreated_at is None, why


def test_partitions_have_places_of_their_own_and_some_brokers_have_none(facts: Facts) -> None:
    facts.received(change(1000), at(40, partition=0))
    facts.received(change(2000), at(3, partition=1))
    facts.received(change(3000), {})

    assert facts.topic_recreated_at is None


@pytest.mark.parametrize("offset", ["\u00b2", "9" * 5_000, "-1", ""])
def test_a_place_that_is_no_number_is_no_place(facts: Facts, offset: str) -> None:
    facts.received(decode(event()), {"__offset": offset})
    assert facts.topic_recreated_at is None


def test_a_replay_comes_by_a_topic_whose_places_are_its_own(facts: Facts) -> None:
    facts.received(change(1000), {**at(40), "__topic": "changes"})
    facts.received(change(2000), {**at(0), "__topic": "replays"})

    assert facts.topic_recreated_at is None


@pytest.mark.anyio
async def test_a_check_is_made_once_for_all_who_watch() -> None:
    made, time = [], 0.0

    async def check() -> None:
        made.append(time)
        raise TransientError("down")

    remembered = Remembered(check, lambda: time + 100)
    for _ in range(3):
        with pytest.raises(TransientError, match="down"):
            await remembered.check()
    assert len(made) == 1
    time = KEEP_SECONDS
    with pytest.raises(TransientError):
        await remembered.check()
    assert len(made) == 2
