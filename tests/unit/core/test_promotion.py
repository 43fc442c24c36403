"""Promotion of rows: which counterpart a row has, what would be copied, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.promotion import (
    Member,
    Promotion,
    Report,
    Step,
    as_duration,
    may_approve,
    promotion_of,
    same,
    steps,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ORDER = ("dev", "staging", "prod")
GIVEN: dict[str, Any] = {"match": ["name"], "along": "environment", "order": list(ORDER), "fields": ["branch"]}
FREE = Promotion(("name",), "environment", ORDER, ("branch",))
GATED = Promotion(("name",), "environment", ORDER, ("branch",), 1800)


def row(place: str, branch: Any, *reports: Report, key: str = "") -> Member:
    return Member(key or place, 1, place, {"branch": branch}, reports)


def told(minutes: float, state: str = "synced", stage: str | None = "healthy", message: str | None = None) -> Report:
    return Report("k8s", state, stage, NOW - timedelta(minutes=minutes), message)


def of(promotion: Promotion, *members: Member, unwritable: dict[str, str] | None = None) -> dict[str, Step]:
    return {step.place: step for step in steps(promotion, members, NOW, unwritable)}


def test_a_row_is_promoted_to_from_the_place_just_before_it() -> None:
    found = of(FREE, row("dev", "v3"), row("staging", "v2"), row("prod", "v1"))
    assert found["staging"].fields == {"branch": ("v2", "v3")}
    assert found["prod"].fields == {"branch": ("v1", "v2")}
    assert [step.rule for step in found.values()] == ["first", None, None]


def test_a_place_that_is_left_out_is_not_stepped_over() -> None:
    found = of(FREE, row("dev", "v3"), row("prod", "v1"))
    assert (found["staging"].rule, found["staging"].row) == ("missing", None)
    assert found["prod"].rule == "no-counterpart"
    assert found["prod"].why == "there is no counterpart in staging"


def test_two_rows_in_one_place_are_named_and_neither_is_chosen() -> None:
    found = of(FREE, row("dev", "v3", key="1"), row("dev", "v4", key="2"), row("staging", "v2"))
    assert found["staging"].why == "2 rows are in dev: 1, 2"
    assert found["dev"].rule == found["staging"].rule == "ambiguous"


def test_what_is_the_same_is_nothing_to_promote() -> None:
    assert of(FREE, row("dev", "v3"), row("staging", "v3"))["staging"].why == "is as in dev"


def test_a_field_that_can_not_be_written_is_said_where_it_differs() -> None:
    unwritable = {"branch": "is written by the database alone"}
    found = of(FREE, row("dev", "v3"), row("staging", "v2"), row("prod", "v2"), unwritable=unwritable)
    assert found["staging"].why == "branch is written by the database alone"
    assert found["prod"].rule == "same"


def test_without_a_gate_the_state_of_the_counterpart_does_not_count() -> None:
    assert of(FREE, row("dev", "v3", told(0, "failed")), row("staging", "v2"))["staging"].allowed


@pytest.mark.parametrize(
    ("report", "rule", "why"),
    [
        (told(60, "failed", None, "no such host"), "failed", "has failed at k8s: no such host"),
        (told(60, stage="failed", message="Deployment/web"), "failed", "has failed at k8s: Deployment/web"),
        (told(60, "pending", None), "unsettled", "is not delivered to k8s yet"),
        (told(60, stage="synced", message="1 of 2"), "unsettled", "is synced at k8s, not healthy yet: 1 of 2"),
        (told(60, stage="committed"), "unsettled", "is committed at k8s, not healthy yet"),
        (told(10), "too-young", "is healthy for 10m of 30m: 20m to go"),
    ],
)
def test_a_gate_says_what_it_waits_for(report: Report, rule: str, why: str) -> None:
    step = of(GATED, row("dev", "v3", report), row("staging", "v2"))["staging"]
    assert (step.rule, step.why) == (rule, f"the row in dev {why}")
    assert step.wait_seconds == (1200 if rule == "too-young" else None)


def test_a_gate_is_shut_to_its_last_second() -> None:
    assert of(GATED, row("dev", "v3", told(29.99)), row("staging", "v2"))["staging"].rule == "too-young"
    assert of(GATED, row("dev", "v3", told(30)), row("staging", "v2"))["staging"].allowed


@pytest.mark.parametrize("stage", ["healthy", None])
def test_healthy_or_delivered_where_no_stage_is_told_opens_the_gate(stage: str | None) -> None:
    assert of(GATED, row("dev", "v3", told(30, stage=stage)), row("staging", "v2"))["staging"].allowed


def test_a_row_that_no_target_has_is_not_healthy() -> None:
    step = of(GATED, row("dev", "v3"), row("staging", "v2"))["staging"]
    assert step.why == "the row in dev is not delivered anywhere"


def test_a_clock_that_is_ahead_of_ours_does_not_open_a_gate() -> None:
    step = of(GATED, row("dev", "v3", told(-10)), row("staging", "v2"))["staging"]
    assert step.wait_seconds == 1800


def test_the_last_target_counts() -> None:
    late = Report("git", "synced", None, NOW - timedelta(minutes=1))
    assert of(GATED, row("dev", "v3", told(90), late), row("staging", "v2"))["staging"].wait_seconds == 29 * 60


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner, max_size=2),
    max_leaves=4,
)
REPORTS = st.builds(
    Report,
    st.sampled_from(["k8s", "git"]),
    st.sampled_from(["synced", "pending", "failed"]),
    st.sampled_from([None, "synced", "healthy", "failed"]),
    st.none() | st.integers(-100, 100).map(lambda minutes: NOW - timedelta(minutes=minutes)),
)
MEMBERS = st.lists(
    st.builds(
        Member,
        st.text("abc", min_size=1, max_size=3),
        st.integers(1, 9),
        st.sampled_from([*ORDER, "elsewhere"]),
        st.fixed_dictionaries({"branch": VALUES}),
        st.lists(REPORTS, max_size=2),
    ),
    max_size=6,
)


@given(MEMBERS, st.sampled_from([FREE, GATED]))
def test_every_place_is_there_once_and_every_step_that_is_not_allowed_says_why(
    members: list[Member], promotion: Promotion
) -> None:
    found = steps(promotion, members, NOW)
    assert tuple(step.place for step in found) == ORDER
    for step in found:
        assert (step.rule is None) == (step.why is None) == step.allowed
        assert step.wait_seconds is None or (step.rule == "too-young" and 0 < step.wait_seconds <= 1800)


@given(MEMBERS, st.sampled_from([FREE, GATED]))
def test_what_is_promoted_is_the_value_of_the_only_row_before_it_and_is_another_one(
    members: list[Member], promotion: Promotion
) -> None:
    for step in steps(promotion, members, NOW):
        if not step.allowed:
            continue
        assert step.row is not None
        assert step.source is not None
        before = ORDER[ORDER.index(step.place) - 1]
        assert [member for member in members if member.place == before] == [step.source]
        assert [member for member in members if member.place == step.place] == [step.row]
        for name, (had, gets) in step.fields.items():
            assert (had, gets) == (step.row.values[name], step.source.values[name])
            assert not same(had, gets)
        if promotion.healthy_seconds is not None:
            assert step.source.reports
            assert all(report.state == "synced" for report in step.source.reports)


@given(MEMBERS)
def test_after_a_promotion_there_is_nothing_to_promote_there(members: list[Member]) -> None:
    for step in steps(FREE, members, NOW):
        if step.allowed and step.row is not None:
            copied = {**step.row.values, **{name: after for name, (_, after) in step.fields.items()}}
            made = Member(step.row.key, step.row.generation + 1, step.place, copied)
            changed = [made if member is step.row else member for member in members]
            assert of(FREE, *changed)[step.place].rule == "same"


@given(VALUES, VALUES)
def test_sameness_knows_true_from_one_and_goes_both_ways(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)
    assert not same(True, 1)
    assert not same([0], [False])


def test_a_whole_promotion_is_read() -> None:
    gates = {"healthy": "30m", "approval": True}
    assert promotion_of({**GIVEN, "gates": gates}) == (
        Promotion(("name",), "environment", ORDER, ("branch",), 1800, True),
        [],
    )
    short = {"order": ["dev", "prod"], "fields": ["branch"]}
    defaults = {"match": ["application"], "along": "environment"}
    assert promotion_of(short, defaults)[0] == Promotion(("application",), "environment", ("dev", "prod"), ("branch",))


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"match": []}, "match", "must be a list of at least one text"),
        ({"order": ["dev"]}, "order", "must have two places at least"),
        ({"order": ["dev", "dev"]}, "order", "has one of them twice"),
        ({"fields": ["name"]}, "fields", "name says which row it is, and can't be copied"),
        ({"fields": [1]}, "fields", "must be a list of at least one text"),
        ({"along": None}, "along", "must be the name of a column"),
        ({"match": ["environment"]}, "along", "environment is in match: counterparts would all be in one place"),
        ({"gates": {"healthy": "1 hour"}}, "gates.healthy", "must be a time such as 90s, 30m, 4h or 2d"),
        ({"gates": {"approval": "yes"}}, "gates.approval", "must be true or false"),
        ({"gates": {"cost": 1}}, "gates.cost", "is no gate; there is healthy, approval"),
        ({"gates": []}, "gates", "must be a mapping"),
        ({"filed": []}, "filed", "is nothing that a promotion has; there is match, along, order, fields, gates"),
    ],
)
def test_what_is_wrong_with_a_promotion_is_said_at_its_place(change: dict[str, Any], path: str, message: str) -> None:
    made, problems = promotion_of({**GIVEN, **change})
    assert made is None
    assert (path, message) in [(".".join(where), words) for where, words in problems]


@given(VALUES)
def test_whatever_it_is_given_it_says_what_is_wrong(value: Any) -> None:
    made, problems = promotion_of(value)
    assert (made is None) == bool(problems)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0s"), (0.2, "1s"), (90, "1m 30s"), (1800, "30m"), (93784, "1d 2h"), (86401, "1d 1s")]
)
def test_a_time_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert as_duration(seconds) == words


@pytest.mark.parametrize(
    ("asked", "asked_verified", "by", "verified", "why"),
    [
        ("ada", False, "bob", False, None),
        ("ada", True, "bob", True, None),
        ("ada", False, "ada", True, "ada has asked for it: somebody else has to approve"),
        ("ada", False, "anonymous", False, "somebody with a name has to approve"),
        ("ada", True, "bob", False, "a login vouched for ada, so one has to vouch for who approves"),
    ],
)
def test_only_somebody_else_may_approve(
    asked: str, asked_verified: bool, by: str, verified: bool, why: str | None
) -> None:
    assert may_approve(asked, asked_verified, by, verified, "anonymous") == why
