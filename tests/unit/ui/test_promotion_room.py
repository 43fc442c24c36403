"""The room Promotion, run by Streamlit's own AppTest on the fake client."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from login.identity import Roles
from promotion.models import Board, Group, Place, Request, Result, Seen
from renderers.models import Manifest, Rendered
from shared.formatting import plain
from unit.ui.driver import DOWN, button, click, labels, offered, opened, run, words
from unit.ui.fakes.client import FakeTable
from unit.ui.fakes.renderers import tenants

ROOM = "Promotion"
AGO = datetime.now(UTC) - timedelta(hours=2)
SEEN = Seen("1", 4, "2", 7)
FIELDS = {"version": ("v1", "v2")}
WEB = Group(
    {"name": "web"},
    (
        Place("dev", "1", {"version": "v2"}, "healthy", AGO, "ada", AGO, rule="first", why="dev is where it begins"),
        Place("staging", "2", {"version": "v1"}, "healthy", AGO, "ada", AGO, SEEN, FIELDS, allowed=True),
        Place("prod", rule="missing", why="there is no row in prod"),
    ),
)
BOARD = Board(("dev", "staging", "prod"), False, 1800, None, (WEB,), None, 1)
RESULT = Result(
    "possible",
    SEEN,
    "dev",
    "staging",
    FIELDS,
    None,
    Rendered((Manifest("settings", {"kind": "ConfigMap", "data": {"version": "v1"}}),), "web", "staging", ()),
    Rendered((Manifest("settings", {"kind": "ConfigMap", "data": {"version": "v2"}}),), "web", "staging", ()),
)
REQUEST = Request(9, "2", "dev", "staging", FIELDS, "grace", AGO)


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable(tables=tenants())
    table.promotions.boards["tenants"] = BOARD
    table.promotions.results = (RESULT,)
    return table


QUERY = {"renderer": "tenants"}


def test_the_board_says_which_version_is_where_and_why_not(table: FakeTable) -> None:
    at = opened(table, ROOM, query=QUERY)
    said = words(at)
    assert "**web**" in said
    assert "**v1**" in said
    assert "**v2**" in said
    assert plain("There is no row in prod.") in said
    assert "healthy for 30 minutes where it comes from" in said
    assert {"Promote", "Promote all that differ"} <= labels(at)


def test_what_is_promoted_is_shown_before_it_is_done_and_is_what_was_shown(table: FakeTable) -> None:
    at = click(opened(table, ROOM, query=QUERY), "Promote")
    shown = [code.value for code in at.code]
    assert "- version: v1\n+ version: v2" in shown
    assert any("-  version: v1\n+  version: v2" in code for code in shown)
    assert table.promotions.promoted == []

    click(at, "Promote it")

    assert table.promotions.promoted == [SEEN]


def test_all_that_differ_are_promoted_but_for_what_may_not_be(table: FakeTable) -> None:
    other = replace(RESULT, outcome="refused", why="is too young", seen=replace(SEEN, to_key="3"))
    table.promotions.results = (RESULT, other)
    at = click(opened(table, ROOM, query=QUERY), "Promote all that differ")
    assert plain("Is too young.") in words(at)
    click(at, "Promote it")
    assert table.promotions.promoted == [SEEN]


def test_what_has_changed_meanwhile_is_said(table: FakeTable) -> None:
    table.promotions.refusal = "row 2 has changed since"
    at = click(click(opened(table, ROOM, query=QUERY), "Promote"), "Promote it")
    assert any("has changed since" in error.value for error in at.error)


def test_a_request_is_approved_by_somebody_else(table: FakeTable) -> None:
    table.promotions.requests = (REQUEST,)
    at = opened(table, ROOM, query=QUERY)
    assert "asked for by grace" in words(at)
    click(click(at, "Approve"), "Approve it")
    assert table.promotions.decided == [(9, True, "", "maria")]


def test_nobody_approves_what_they_have_asked_for(table: FakeTable) -> None:
    table.promotions.requests = (replace(REQUEST, asked_by="maria"),)
    at = click(click(opened(table, ROOM, query=QUERY), "Approve"), "Approve it")
    assert any("somebody else has to approve" in error.value for error in at.error)


def test_a_request_is_refused_with_a_reason(table: FakeTable) -> None:
    table.promotions.requests = (REQUEST,)
    at = click(opened(table, ROOM, query=QUERY), "Refuse")
    at.text_input(key="promotion:why").set_value("not on a Friday")
    click(run(at), "Refuse it")
    assert table.promotions.decided == [(9, False, "not on a Friday", "maria")]


def test_a_viewer_sees_the_board_and_changes_nothing(table: FakeTable) -> None:
    table.promotions.requests = (REQUEST,)
    at = opened(table, ROOM, Roles(default="viewer"), query=QUERY)
    assert "**web**" in words(at)
    assert not {"Promote", "Promote all that differ", "Approve", "Refuse"} & offered(at)


def test_where_nothing_is_promoted_the_room_says_why_and_how_to_begin(table: FakeTable) -> None:
    said = words(opened(table, ROOM))
    assert "Rows of Configurations are not promoted." in said
    assert plain("Nothing says in which order.") in said
    assert "How to promote rows" in said


def test_a_search_without_a_hit_can_be_cleared(table: FakeTable) -> None:
    at = opened(table, ROOM, query=QUERY)
    at.text_input(key="promotion_search").set_value("nothing")
    at = run(at)
    assert "Nothing matches." in words(at)
    assert "**web**" in words(click(at, "Clear the filters"))


def test_a_crud_that_is_away_is_one_line(table: FakeTable) -> None:
    table.down = DOWN
    assert [error.value for error in opened(table, ROOM, query=QUERY).error] == [plain(DOWN)]


def test_promote_is_not_offered_where_a_request_waits(table: FakeTable) -> None:
    dev, staging, prod = WEB.places
    table.promotions.boards["tenants"] = replace(
        BOARD, items=(replace(WEB, places=(dev, replace(staging, request=9), prod)),)
    )
    at = opened(table, ROOM, query=QUERY)
    assert "Promote" not in labels(at)
    assert button(at, "Promote all that differ")
