from __future__ import annotations

import pytest

from rowcast.core.events import decode
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Plan, Tombstones, latest, plan
from rowcast.core.render import Desired, Manifest, render
from rowcast.core.row import app_config
from unit.core.changes import event


def held(name: str, row_id: int = 1, generation: int = 1, lsn: int = 1) -> Held:
    return Held(key=name, row=app_config(row_id), generation=generation, lsn=lsn)


def place(_desired: Desired, manifest: Manifest) -> str:
    return manifest.name


def judge(
    op: str = "u",
    *,
    own: tuple[Held, ...] = (),
    holders: tuple[Held, ...] | None = None,
    tombstone: int | None = None,
    lsn: int = 100,
    name: str = "a",
    generation: int = 2,
) -> Plan:
    desired = render(decode(event(op, lsn=lsn, name=name, generation=generation)))
    at_place = tuple(one for one in own if one.key == name) if holders is None else holders
    return plan(desired, own, at_place, tombstone, place)


def test_a_row_that_is_not_there_is_created() -> None:
    decided = judge("c")

    assert decided.outcome is Outcome.CREATED
    assert [manifest.name for manifest in decided.put] == ["a"]


def test_a_newer_generation_is_configured() -> None:
    decided = judge(own=(held("a", generation=1),))

    assert (decided.outcome, len(decided.put), decided.remove) == (Outcome.CONFIGURED, 1, ())


def test_the_same_generation_is_unchanged() -> None:
    assert judge(own=(held("a", generation=2),)) == Plan(Outcome.UNCHANGED)


@pytest.mark.parametrize("op", ["u", "d"])
def test_an_older_generation_is_stale_and_touches_nothing(op: str) -> None:
    assert judge(op, own=(held("a", generation=3),)) == Plan(Outcome.STALE)


def test_a_rename_puts_the_new_name_and_removes_the_old() -> None:
    old = held("old", generation=1)

    decided = judge(own=(old,))

    assert (decided.outcome, [m.name for m in decided.put], decided.remove) == (Outcome.CONFIGURED, ["a"], (old,))


def test_what_an_interrupted_rename_left_behind_is_removed_without_writing_again() -> None:
    left = held("old", generation=1)

    decided = judge(own=(left, held("a", generation=2)))

    assert (decided.put, decided.remove) == ((), (left,))


def test_a_deletion_removes_all_that_the_row_has() -> None:
    own = (held("a", generation=2), held("old", generation=1))

    assert judge("d", own=own) == Plan(Outcome.DELETED, remove=own)


def test_deleting_what_is_not_there_is_unchanged() -> None:
    assert judge("d") == Plan(Outcome.UNCHANGED)


def test_a_deleted_row_is_not_resurrected_by_a_late_event() -> None:
    assert judge("u", tombstone=2, generation=2) == Plan(Outcome.STALE)


def test_what_was_resurrected_all_the_same_is_removed() -> None:
    ghost = held("a", generation=1)

    assert judge("u", own=(ghost,), tombstone=2, generation=1) == Plan(Outcome.STALE, remove=(ghost,))


def test_a_row_restored_above_its_tombstone_lives() -> None:
    assert judge("u", tombstone=2, generation=3).outcome is Outcome.CREATED


def test_the_later_claim_to_a_name_takes_it_over() -> None:
    other = held("a", row_id=9, lsn=99)

    decided = judge(holders=(other,), lsn=100)

    assert (decided.outcome, len(decided.put)) == (Outcome.CREATED, 1)


def test_who_loses_a_name_is_told_since_the_fence_goes_with_the_object() -> None:
    other = held("a", row_id=9, generation=4, lsn=99)

    assert judge(holders=(other,), lsn=100).displaced == (other,)
    assert judge(own=(held("a", generation=2),), lsn=100).displaced == ()


def test_a_displaced_row_waits_for_its_next_generation_or_its_deletion() -> None:
    assert judge("u", tombstone=4, generation=4) == Plan(Outcome.STALE)
    assert judge("d", tombstone=4, generation=4).outcome is Outcome.UNCHANGED
    assert judge("u", tombstone=4, generation=5).outcome is Outcome.CREATED


def test_the_earlier_claim_to_a_name_is_stale() -> None:
    other = held("a", row_id=9, lsn=101)

    assert judge(own=(held("old"),), holders=(other,), lsn=100) == Plan(Outcome.STALE)


def test_the_latest_of_a_row_is_the_highest_generation_in_whatever_order() -> None:
    changes = [decode(event(generation=3)), decode(event(generation=1)), decode(event(row_id=2))]

    newest = latest(changes)

    assert {key: change.state.generation for key, change in newest.items()} == {
        app_config(1): 3,
        app_config(2): 1,
    }


def test_a_deletion_is_later_than_the_update_of_its_generation() -> None:
    changes = [decode(event("d", generation=3)), decode(event("u", generation=3))]

    assert latest(changes)[app_config(1)].deleted


def test_tombstones_keep_the_highest_generation_and_forget_the_oldest() -> None:
    tombstones = Tombstones(capacity=2)
    tombstones.bury(app_config(1), 5)
    tombstones.bury(app_config(2), 1)
    tombstones.bury(app_config(1), 4)
    tombstones.bury(app_config(3), 1)

    assert [tombstones.get(app_config(row)) for row in (1, 2, 3)] == [5, None, 1]
