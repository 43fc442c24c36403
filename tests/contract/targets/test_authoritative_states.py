"""A state that was just read from the table wins over whatever was delivered; events stay fenced all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.targets.places import Place
from contract.targets.rows import deleted, saved
from contract.targets.test_target_contract import deliver, held
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Target
from rowcast.core.render import Desired

pytestmark = pytest.mark.anyio


def read_now(row_id: int, generation: int, name: str, supersedes: int = 0, **more: object) -> Desired:
    return replace(saved(row_id, generation, name, **more), authoritative=True, supersedes=supersedes)


def gone_now(row_id: int, generation: int, name: str, supersedes: int = 0) -> Desired:
    return replace(deleted(row_id, generation, name), authoritative=True, supersedes=supersedes)


async def test_it_goes_below_the_generation_that_was_there_before_it_was_read(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 5, "a"))

    assert await deliver(target, read_now(1, 2, "b", supersedes=5)) == [Outcome.CONFIGURED]

    assert held(place) == {"b": (1, 2)}


async def test_it_leaves_what_may_have_come_since_it_was_read_and_tells_its_generation(
    target: Target, place: Place
) -> None:
    read = read_now(1, 4, "a", supersedes=3)
    await deliver(target, saved(1, 5, "b"))

    (result,) = (await target.deliver([read])).values()

    assert isinstance(result, Delivered)
    assert (result.outcome, result.fence) == (Outcome.STALE, 5)
    assert held(place) == {"b": (1, 5)}


async def test_it_leaves_what_was_deleted_since_it_was_read(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 4, "a"))
    await deliver(target, deleted(1, 4, "a"))

    (result,) = (await target.deliver([read_now(1, 4, "a", supersedes=3)])).values()

    assert isinstance(result, Delivered)
    assert (result.outcome, result.fence) == (Outcome.STALE, 4)
    assert held(place) == {}


async def test_what_is_put_where_the_row_had_nothing_is_told_to_be_new(target: Target) -> None:
    told = []
    for state in (saved(1, 1, "a"), saved(1, 2, "a"), saved(1, 3, "b"), saved(1, 3, "b"), deleted(1, 3, "b")):
        (result,) = (await target.deliver([state])).values()
        told.append(isinstance(result, Delivered) and result.new)
    assert told == [True, False, True, False, False]


async def test_it_brings_back_what_was_deleted_and_later_news_of_it_arrives(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 4, "a"))
    await deliver(target, deleted(1, 5, "a"))

    assert await deliver(target, read_now(1, 2, "a", supersedes=5)) == [Outcome.CREATED]
    assert await deliver(target, saved(1, 3, "a")) == [Outcome.CONFIGURED]

    assert held(place) == {"a": (1, 3)}


async def test_a_new_instance_knows_that_it_was_brought_back(place: Place) -> None:
    first = place.target()
    await first.start()
    await deliver(first, saved(1, 4, "a"))
    await deliver(first, deleted(1, 5, "a"))
    await deliver(first, read_now(1, 2, "a", supersedes=5))
    await first.close()

    second = place.target()
    await second.start()
    try:
        assert await deliver(second, saved(1, 3, "a")) == [Outcome.CONFIGURED]
    finally:
        await second.close()
    assert held(place) == {"a": (1, 3)}


async def test_it_puts_right_what_is_not_as_rendered_at_its_own_generation(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 2, "a", branch="by-hand"))

    assert await deliver(target, read_now(1, 2, "a", branch="main")) == [Outcome.CONFIGURED]

    assert place.observe()["a"].spec["branch"] == "main"


async def test_it_is_unchanged_and_writes_nothing_where_all_is_right(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 2, "a"))
    before = place.version()

    assert await deliver(target, read_now(1, 2, "a")) == [Outcome.UNCHANGED]
    assert place.version() == before


async def test_it_prunes_whatever_the_generation_and_a_late_event_does_not_bring_it_back(
    target: Target, place: Place
) -> None:
    late = saved(1, 3, "a")
    await deliver(target, saved(1, 5, "a"), saved(2, 1, "b"))

    assert await deliver(target, gone_now(1, 4, "a", supersedes=5)) == [Outcome.DELETED]
    assert await deliver(target, late) == [Outcome.STALE]

    assert held(place) == {"b": (2, 1)}


async def test_it_leaves_a_name_to_a_row_that_claimed_it_later(target: Target, place: Place) -> None:
    earlier = read_now(1, 9, "a")
    await deliver(target, saved(2, 1, "a"))

    assert await deliver(target, earlier) == [Outcome.STALE]
    assert held(place) == {"a": (2, 1)}


async def test_an_event_at_the_same_generation_does_not_undo_what_a_hand_did(target: Target, place: Place) -> None:
    """Only what was read from the table now is sure; an event may be old."""
    await deliver(target, saved(1, 2, "a", branch="by-hand"))

    assert await deliver(target, saved(1, 2, "a", branch="main")) == [Outcome.UNCHANGED]
    assert place.observe()["a"].spec["branch"] == "by-hand"


async def test_the_inventory_is_what_was_expected(target: Target) -> None:
    states = [read_now(1, 2, "a"), saved(2, 1, "b", environment="prod", branch="release/1")]
    await deliver(target, *states)

    expected = [one for state in states for one in target.expect(state)]

    assert sorted(await target.inventory(), key=lambda one: one.key) == sorted(expected, key=lambda one: one.key)
