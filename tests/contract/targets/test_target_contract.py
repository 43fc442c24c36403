"""What every target does, the fake included."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contract.targets.places import Place
from contract.targets.rows import deleted, saved
from rowcast.core.errors import PermanentError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, Target
from rowcast.core.render import Desired
from rowcast.core.row import app_config

pytestmark = pytest.mark.anyio


async def deliver(target: Target, *batch: Desired) -> list[Outcome]:
    results = await target.deliver(batch)
    assert set(results) == {desired.row for desired in batch}
    outcomes = []
    for desired in batch:
        result = results[desired.row]
        assert isinstance(result, Delivered), result
        outcomes.append(result.outcome)
    return outcomes


def held(place: Place) -> dict[str, tuple[int, int]]:
    """{name: (row id, generation)}"""
    return {name: (one.row_id, one.generation) for name, one in place.observe().items()}


async def test_a_created_row_appears_with_all_its_fields(target: Target, place: Place) -> None:
    assert await deliver(target, saved(1, 1, "a", environment="prod", branch="main")) == [Outcome.CREATED]

    (one,) = place.observe().values()
    assert one.spec == {
        "id": 1,
        "name": "a",
        "repository_url": "https://git.example.org/team/app.git",
        "branch": "main",
        "environment": "prod",
    }


async def test_a_delivery_that_writes_says_under_which_reference(target: Target) -> None:
    first, second = [(await target.deliver([saved(1, generation, "a")]))[app_config(1)] for generation in (1, 2)]

    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert first.reference
    assert second.reference
    assert first.reference != second.reference


async def test_an_updated_row_is_configured_in_place(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a"))
    assert await deliver(target, saved(1, 2, "a", branch="next")) == [Outcome.CONFIGURED]

    assert held(place) == {"a": (1, 2)}
    assert place.observe()["a"].spec["branch"] == "next"


async def test_a_renamed_row_is_gone_under_its_old_name(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a"))
    assert await deliver(target, saved(1, 2, "b")) == [Outcome.CONFIGURED]

    assert held(place) == {"b": (1, 2)}


async def test_a_row_that_moves_to_another_environment_is_there_once(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a", environment="dev"))
    assert await deliver(target, saved(1, 2, "a", environment="prod")) == [Outcome.CONFIGURED]

    assert held(place) == {"a": (1, 2)}
    assert place.observe()["a"].spec["environment"] == "prod"


async def test_a_deleted_row_is_gone_and_its_neighbour_is_not(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a"), saved(2, 1, "b"))
    assert await deliver(target, deleted(1, 2, "a")) == [Outcome.DELETED]

    assert held(place) == {"b": (2, 1)}


async def test_a_duplicate_is_unchanged_and_writes_nothing(target: Target, place: Place) -> None:
    event = saved(1, 1, "a")
    await deliver(target, event)
    before = place.version()

    assert await deliver(target, event) == [Outcome.UNCHANGED]
    assert place.version() == before


async def test_a_duplicate_of_a_deletion_is_unchanged_and_writes_nothing(target: Target, place: Place) -> None:
    event = deleted(1, 2, "a")
    await deliver(target, saved(1, 1, "a"))
    await deliver(target, event)
    before = place.version()

    assert await deliver(target, event) == [Outcome.UNCHANGED]
    assert place.version() == before


async def test_a_late_event_is_stale_and_writes_nothing(target: Target, place: Place) -> None:
    late = saved(1, 1, "a")
    await deliver(target, saved(1, 2, "b"))
    before = place.version()

    assert await deliver(target, late) == [Outcome.STALE]
    assert place.version() == before
    assert held(place) == {"b": (1, 2)}


@pytest.mark.parametrize("generation", [1, 2])
async def test_an_update_that_arrives_after_its_rows_deletion_is_stale(
    target: Target, place: Place, generation: int
) -> None:
    """Generation 2 is the update that carries the person of the deletion, which has the same generation."""
    late = saved(1, generation, "a")
    await deliver(target, saved(1, 1, "a"))
    await deliver(target, deleted(1, 2, "a"))

    assert await deliver(target, late) == [Outcome.STALE]
    assert held(place) == {}


async def test_an_update_is_stale_also_when_the_deletion_found_nothing_to_delete(target: Target, place: Place) -> None:
    late = saved(1, 1, "a")
    assert await deliver(target, deleted(1, 2, "a")) == [Outcome.UNCHANGED]

    assert await deliver(target, late) == [Outcome.STALE]
    assert held(place) == {}


async def test_a_deletion_that_arrives_late_is_stale(target: Target, place: Place) -> None:
    late = deleted(1, 2, "a")
    await deliver(target, saved(1, 3, "a"))

    assert await deliver(target, late) == [Outcome.STALE]
    assert held(place) == {"a": (1, 3)}


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "out of order"])
async def test_a_name_handed_from_one_row_to_another_ends_with_the_other(
    target: Target, place: Place, in_order: bool
) -> None:
    await deliver(target, saved(1, 1, "a"))
    handover = [saved(1, 2, "b"), saved(2, 1, "a")]

    for event in handover if in_order else reversed(handover):
        await deliver(target, event)

    assert held(place) == {"a": (2, 1), "b": (1, 2)}


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "out of order"])
@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one by one"])
async def test_a_name_deleted_with_one_row_and_created_with_another_ends_with_the_other(
    target: Target, place: Place, in_order: bool, at_once: bool
) -> None:
    await deliver(target, saved(1, 1, "a"))
    events: Sequence[Desired] = [deleted(1, 2, "a"), saved(2, 1, "a")]
    events = events if in_order else events[::-1]

    for batch in [events] if at_once else [[event] for event in events]:
        await deliver(target, *batch)

    assert held(place) == {"a": (2, 1)}


async def test_a_row_that_has_lost_its_name_to_a_later_row_does_not_take_it_back(target: Target, place: Place) -> None:
    late = saved(1, 1, "a")
    await deliver(target, saved(2, 1, "a"))

    assert await deliver(target, late) == [Outcome.STALE]
    assert held(place) == {"a": (2, 1)}


@pytest.mark.parametrize("first", [1, 2])
async def test_two_rows_swap_their_names_in_one_batch(target: Target, place: Place, first: int) -> None:
    await deliver(target, saved(1, 1, "a"), saved(2, 1, "b"))
    swap = [saved(2, 2, "a"), saved(1, 3, "b")]

    await deliver(target, *sorted(swap, key=lambda desired: int(desired.row.key) != first))

    assert held(place) == {"a": (2, 2), "b": (1, 3)}


async def test_a_row_whose_name_was_taken_goes_back_to_no_earlier_state(target: Target, place: Place) -> None:
    early, now = saved(1, 3, "b"), saved(1, 5, "a")
    await deliver(target, now)

    assert await deliver(target, saved(2, 1, "a"), early) == [Outcome.CREATED, Outcome.STALE]
    assert await deliver(target, early, saved(3, 1, "c")) == [Outcome.STALE, Outcome.CREATED]
    assert held(place) == {"a": (2, 1), "c": (3, 1)}
    assert await deliver(target, saved(1, 6, "b")) == [Outcome.CREATED]


async def test_a_new_instance_knows_whose_name_was_taken(place: Place) -> None:
    if place.__class__.__name__ == "Kubernetes":
        pytest.skip("what is gone from a namespace only those know who watched it")
    target, second = place.target(), place.target()
    early = saved(1, 3, "b")
    await target.start()
    await deliver(target, saved(1, 5, "a"))
    await deliver(target, saved(2, 1, "a"))
    await target.close()

    await second.start()

    assert await deliver(second, early) == [Outcome.STALE]
    await second.close()


async def test_three_rows_rotate_their_names_one_by_one(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a"), saved(2, 1, "b"), saved(3, 1, "c"))

    for event in [saved(3, 3, "a"), saved(1, 2, "b"), saved(2, 2, "c")]:
        await deliver(target, event)

    assert held(place) == {"a": (3, 3), "b": (1, 2), "c": (2, 2)}


async def test_a_foreign_object_is_left_alone_and_fails_its_row_only(place: Place) -> None:
    place.plant("a")
    target = place.target()
    await target.start()
    try:
        results = await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    finally:
        await target.close()

    failed = results[app_config(1)]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, PermanentError)
    assert failed.error.reason == "not-owned"
    assert isinstance(results[app_config(2)], Delivered)
    assert held(place) == {"b": (2, 1)}
    assert place.planted("a")


async def test_a_row_renamed_onto_a_foreign_object_keeps_what_it_had(place: Place) -> None:
    place.plant("theirs")
    target = place.target()
    await target.start()
    try:
        await deliver(target, saved(1, 1, "a"))
        results = await target.deliver([saved(1, 2, "theirs")])
    finally:
        await target.close()

    assert isinstance(results[app_config(1)], Failed)
    assert held(place) == {"a": (1, 1)}
    assert place.planted("theirs")


async def test_the_inventory_lists_exactly_what_is_ours(place: Place) -> None:
    place.plant("theirs")
    target = place.target()
    await target.start()
    try:
        await deliver(target, saved(1, 1, "a", lsn=7), saved(2, 1, "b", lsn=8))
        await deliver(target, deleted(2, 2, "b"))
        inventory = await target.inventory()
    finally:
        await target.close()

    assert [(one.row, one.generation, one.lsn) for one in inventory] == [(app_config(1), 1, 7)]


async def test_a_new_instance_knows_what_the_last_one_delivered(place: Place) -> None:
    late = [saved(1, 1, "a"), saved(2, 1, "b")]
    first = place.target()
    await first.start()
    await deliver(first, saved(1, 2, "a"), saved(2, 2, "c"))
    await first.close()

    second = place.target()
    await second.start()
    try:
        assert await deliver(second, *late) == [Outcome.STALE, Outcome.STALE]
        assert await deliver(second, saved(2, 3, "d")) == [Outcome.CONFIGURED]
    finally:
        await second.close()
    assert held(place) == {"a": (1, 2), "d": (2, 3)}


async def test_starting_again_changes_nothing(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a"))
    await target.start()

    assert await deliver(target, saved(1, 2, "a")) == [Outcome.CONFIGURED]
    assert held(place) == {"a": (1, 2)}


async def test_a_target_that_can_be_delivered_to_passes_its_check(target: Target) -> None:
    await target.check()
