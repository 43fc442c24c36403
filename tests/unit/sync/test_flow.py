"""Which rows' events are on their way, and which are lost: by what has passed already."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rowcast.core.events import decode
from rowcast.sync.flow import EVERYTHING, NOTHING, Flow
from unit.core.changes import event

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flow(clock: Clock) -> Flow:
    return Flow(clock)


def comes(flow: Flow, minutes: float, op: str = "u") -> None:
    """An event whose row changed so many minutes after noon."""
    flow.received(decode(event(op, updated_at=(NOON + timedelta(minutes=minutes)).isoformat())))


def test_when_nothing_comes_nothing_is_on_its_way(flow: Flow, clock: Clock) -> None:
    assert flow.passed(5) == EVERYTHING
    comes(flow, 0)
    clock.now += 5
    assert flow.passed(5) == EVERYTHING


def test_while_events_come_the_mark_is_what_had_passed_a_while_ago(flow: Flow, clock: Clock) -> None:
    comes(flow, 1)
    assert flow.passed(5) == NOTHING, "it may not have been delivered and told yet"
    for minute in (3, 2, 4):
        clock.now += 2
        comes(flow, minute)

    assert flow.passed(5) == NOON + timedelta(minutes=1)
    clock.now += 2
    assert flow.passed(5) == NOON + timedelta(minutes=3), "an event that comes late sets nothing back"


def test_a_snapshot_is_a_flow_without_an_order(flow: Flow, clock: Clock) -> None:
    comes(flow, 60, "r")
    clock.now += 4
    comes(flow, 1, "r")
    clock.now += 4

    assert flow.passed(5) == NOTHING


def test_events_that_do_not_say_when_their_rows_changed_are_a_flow_all_the_same(flow: Flow, clock: Clock) -> None:
    for when in ("", "yesterday", "2026-11-28T12:00:00"):
        change = decode(event("d", updated_at=when))
        flow.received(change)
        clock.now += 4

    assert flow.passed(5) == NOTHING


def test_marks_are_few_whatever_comes(flow: Flow, clock: Clock) -> None:
    for minute in range(10_000):
        comes(flow, minute / 1_000)
        clock.now += 0.01

    assert flow.passed(5) > NOON
    assert len(flow._marks) <= 500
