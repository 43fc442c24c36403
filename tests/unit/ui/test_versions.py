"""Versions of one row, put beside each other and together."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from configurations import merging, selection
from configurations.models import AppConfig, Draft
from history import version_diff
from history.models import Version

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BASE = Draft("a", "https://git.example/a.git", "main", "prod")
NEXT = replace(BASE, branch="next")
CANARY = replace(BASE, environment="canary")
DRAFTS = st.builds(Draft, *[st.sampled_from(("a", "b", "c"))] * 4)


def updated(before: Draft | None, after: Draft | None) -> Version:
    return Version("updated", 2, NOW, "ada", before, after)


def test_a_difference_has_every_field_and_marks_those_that_differ() -> None:
    assert version_diff.lines(vars(BASE), vars(NEXT)).splitlines() == [
        "  name: a",
        "  repository_url: https://git.example/a.git",
        "- branch: main",
        "+ branch: next",
        "  environment: prod",
    ]


def test_a_creation_is_all_new_and_a_deletion_all_gone() -> None:
    assert {line[0] for line in version_diff.lines(None, vars(BASE)).splitlines()} == {"+"}
    assert {line[0] for line in version_diff.lines(vars(BASE), None).splitlines()} == {"-"}


def test_a_version_says_which_fields_it_changed() -> None:
    assert version_diff.changed(updated(BASE, replace(NEXT, environment="dev"))) == "changed branch, environment"
    assert version_diff.changed(Version("created", 1, NOW, "ada", None, BASE)) == "created it"


def test_what_the_row_says_already_is_not_restored() -> None:
    assert version_diff.restorable(updated(BASE, NEXT), NEXT) is None
    assert version_diff.restorable(updated(BASE, NEXT), BASE) == NEXT


def test_a_deletion_is_restored_to_what_was_deleted() -> None:
    assert version_diff.restorable(Version("deleted", 3, NOW, "ada", NEXT, None), None) == NEXT


def test_of_two_changes_of_different_fields_both_are_suggested() -> None:
    sides = merging.suggestion(vars(BASE), vars(NEXT), vars(CANARY))
    assert sides == {"branch": "mine", "environment": "theirs"}
    assert merging.merged(vars(NEXT), vars(CANARY), sides) == vars(replace(NEXT, environment="canary"))


def test_of_two_changes_of_one_field_mine_is_suggested() -> None:
    assert merging.suggestion(vars(BASE), vars(NEXT), vars(replace(BASE, branch="theirs"))) == {"branch": "mine"}


@given(DRAFTS, DRAFTS, DRAFTS)
def test_the_suggestion_loses_no_change_but_where_both_changed_one_field(
    base: Draft, mine: Draft, theirs: Draft
) -> None:
    merged = merging.merged(vars(mine), vars(theirs), merging.suggestion(vars(base), vars(mine), vars(theirs)))
    for field in vars(base):
        old, ours, other = (getattr(draft, field) for draft in (base, mine, theirs))
        assert merged[field] == (other if ours == old else ours)


@given(DRAFTS, DRAFTS)
def test_a_whole_side_is_that_side(mine: Draft, theirs: Draft) -> None:
    ours, other = vars(mine), vars(theirs)
    differing = merging.differing(ours, other)
    assert merging.merged(ours, other, dict.fromkeys(differing, merging.MINE)) == ours
    assert merging.merged(ours, other, dict.fromkeys(differing, merging.THEIRS)) == other


def row(row_id: int, generation: int = 1) -> AppConfig:
    return AppConfig(row_id, f"app-{row_id}", "https://git.example/a.git", "main", "prod", generation, NOW, NOW, "ada")


def test_ticked_rows_keep_their_places_and_show_what_is_new_of_them() -> None:
    still = selection.still((row(1), row(2), row(3)), (row(9), row(3, 2), row(1)))
    assert [(one.id, one.generation) for one in still] == [(1, 1), (2, 1), (3, 2)]
