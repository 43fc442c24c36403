"""When an event is believed at once, when the table is asked, and what its answer means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rowcast.core.belief import Doubt, Known, Verdict, confirmed, doubt, judge
from rowcast.core.digest import digest_of_manifest
from rowcast.core.events import PLACEHOLDER, decode
from rowcast.core.plan import Held, latest
from rowcast.core.render import Desired, render
from unit.core.changes import event


def desired(op: str = "u", **fields: Any) -> Desired:
    return render(decode(event(op, **fields), partly=True))


def held(one: Desired) -> list[Held]:
    """As the target holds a state."""
    return [
        Held(manifest.name, one.row, one.generation, one.lsn, digest_of_manifest(manifest))
        for manifest in one.manifests
    ]


def doubted(one: Desired, known: Known) -> Doubt | None:
    return doubt(one, known, held(one))


@pytest.mark.parametrize("generation", [1, 2])
def test_what_goes_on_from_what_is_known_is_believed(generation: int) -> None:
    before = Known(held(desired(generation=generation - 1))) if generation > 1 else Known()
    assert doubted(desired(generation=generation), before) is None


def test_what_comes_again_or_late_is_left_to_the_fence() -> None:
    known = Known(held(desired(generation=5)))
    assert doubted(desired(generation=5), known) is None
    assert doubted(desired(generation=4, branch="other"), known) is None


def test_a_target_that_does_not_hold_the_row_is_no_reason_to_ask_again() -> None:
    assert doubted(desired(generation=5), Known(believed=4)) is None


@pytest.mark.parametrize("generation", [3, 9, 2**52])
def test_a_jump_is_doubted(generation: int) -> None:
    assert doubted(desired(generation=generation), Known(held(desired(generation=1)))) is Doubt.JUMP
    assert doubted(desired(generation=generation), Known()) is Doubt.JUMP


@pytest.mark.parametrize(("generations", "why"), [((2, 3, 4), None), ((4, 3, 2), None), ((2, 4), Doubt.JUMP)])
def test_an_unbroken_run_of_events_is_no_jump(generations: tuple[int, ...], why: Doubt | None) -> None:
    (newest,) = latest(decode(event(generation=one)) for one in generations).values()
    assert doubted(render(newest), Known(held(desired(generation=1)))) is why


def test_a_deletion_is_doubted_whatever_its_generation() -> None:
    assert doubted(desired("d", generation=2), Known(held(desired(generation=1)))) is Doubt.DELETION


def test_other_content_at_the_generation_that_is_there_is_doubted() -> None:
    known = Known(held(desired(generation=2)))
    assert doubted(desired(generation=2, branch="other"), known) is Doubt.OTHER_CONTENT
    assert doubted(desired(generation=2, name="renamed"), known) is Doubt.OTHER_CONTENT


def test_missing_columns_are_doubted() -> None:
    placed = desired(generation=2, repository_url=PLACEHOLDER)
    assert doubted(placed, Known(held(desired(generation=1)))) is Doubt.MISSING


@pytest.mark.parametrize(
    ("one", "why", "current", "visible", "verdict"),
    [
        (desired("d", generation=5), Doubt.DELETION, None, True, Verdict.BELIEVE),
        (desired("d", generation=5), Doubt.DELETION, None, False, Verdict.BELIEVE),
        (desired("d", generation=5), Doubt.DELETION, desired(generation=4), False, Verdict.WAIT),
        (desired("d", generation=5), Doubt.DELETION, desired(generation=4), True, Verdict.TABLE),
        (desired("d", generation=5), Doubt.DELETION, desired(generation=9), True, Verdict.TABLE),
        (desired(generation=5), Doubt.JUMP, None, True, Verdict.GONE),
        (desired(generation=5), Doubt.JUMP, None, False, Verdict.WAIT),
        (desired(generation=5), Doubt.JUMP, desired(generation=5), True, Verdict.BELIEVE),
        (desired(generation=5), Doubt.JUMP, desired(generation=5), False, Verdict.BELIEVE),
        (desired(generation=5), Doubt.JUMP, desired(generation=4), True, Verdict.TABLE),
        (desired(generation=5), Doubt.JUMP, desired(generation=4), False, Verdict.WAIT),
        (desired(generation=5), Doubt.JUMP, desired(generation=5, branch="other"), True, Verdict.TABLE),
        (desired(generation=5), Doubt.JUMP, desired(generation=6), True, Verdict.TABLE),
        (desired(generation=5), Doubt.OLD, desired(generation=6), True, Verdict.STALE),
        (desired(generation=5), Doubt.OTHER_CONTENT, desired(generation=5), True, Verdict.CORRECT),
        (desired(generation=5), Doubt.OTHER_CONTENT, desired(generation=5, branch="x"), True, Verdict.TABLE),
        (desired(generation=5), Doubt.OTHER_CONTENT, desired(generation=5, branch="x"), False, Verdict.WAIT),
        (desired(generation=5, branch=PLACEHOLDER), Doubt.MISSING, desired(generation=5), True, Verdict.TABLE),
        (desired(generation=5, branch=PLACEHOLDER), Doubt.MISSING, desired(generation=4), False, Verdict.WAIT),
        (desired(generation=5, branch=PLACEHOLDER), Doubt.MISSING, None, True, Verdict.GONE),
    ],
)
def test_the_tables_word_counts_once_it_shows_what_was_captured(
    one: Desired, why: Doubt, current: Desired | None, visible: bool, verdict: Verdict
) -> None:
    assert judge(one, why, current, visible=visible) is verdict


def test_a_deletion_by_its_key_alone_is_of_what_is_there() -> None:
    deletion = replace(desired("d", generation=1), name="")
    known = Known([replace(one, key="dev/n7.yaml") for one in held(desired(generation=8))])

    assert (confirmed(deletion, known).generation, confirmed(deletion, known).name) == (8, "n7")
    assert confirmed(deletion, Known()).generation == 1
