"""The room Renderers, run by Streamlit's own AppTest on the fake client."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from renderers import texts
from shared.formatting import plain
from unit.ui.driver import DOWN, button, click, labels, opened, run, words
from unit.ui.fakes.client import FakeTable
from unit.ui.fakes.renderers import DECLARATION, FakeSource, tenants
from unit.ui.fakes.rollouts import half_way

ROOM = "Renderers"
EDITED = DECLARATION.replace("plan: ", "tier: ")


@pytest.fixture
def table() -> FakeTable:
    return FakeTable(tables=tenants())


def links(at: AppTest) -> dict[str, Any]:
    """The links of the page itself, by what they say."""
    return {link.proto.label: link.proto for link in at.main.get("page_link")}


def one(table: FakeTable, tab: str = "", **query: str) -> AppTest:
    at = opened(table, ROOM, query={"name": "tenants", **query})
    if tab:
        at.session_state["renderer_tab"] = tab
        run(at)
    return at


def test_the_list_says_of_each_renderer_which_table_it_is_for_and_who_applied_it(table: FakeTable) -> None:
    at = opened(table, ROOM)
    assert labels(at) >= {"**tenants**"}
    assert "`public.tenants`" in words(at)
    assert "Revision 1, applied" in words(at)
    assert "by postgres" in words(at)
    assert links(at).keys() == {"1 row"}
    assert links(at)["1 row"].query_string == "renderer=tenants"


def test_how_many_rows_failed_is_shown_where_crud_tells_it(table: FakeTable) -> None:
    table.tables.sources["tenants"].failed = 3
    assert "3 failed" in words(opened(table, ROOM))
    assert "3 failed" in words(one(table))


def test_a_roll_out_that_is_under_way_is_in_the_list_with_its_step(table: FakeTable) -> None:
    rollouts = table.tables.sources["tenants"].rollouts
    rollouts.items[3] = half_way(3, "stopped", "a row has failed")
    assert "Roll-out 3 stopped, step 2 of 3" in words(opened(table, ROOM))
    rollouts.items[3] = half_way(3, "aborted")
    assert "Roll-out 3" not in words(opened(table, ROOM))


def test_a_table_that_is_not_captured_any_more_says_why(table: FakeTable) -> None:
    table.tables.sources["tenants"].fault = "column slug of public.tenants is gone"
    assert plain("Column slug of public.tenants is gone.") in words(opened(table, ROOM))


def test_without_any_renderer_the_room_says_how_to_begin() -> None:
    said = words(opened(FakeTable(), ROOM))
    assert "rowcast renderer init" in said
    assert "rowcast renderer apply" in said


def test_a_crud_that_is_away_is_one_line(table: FakeTable) -> None:
    table.down = DOWN
    assert [error.value for error in opened(table, ROOM).error] == [plain(DOWN)]


def test_a_renderer_is_opened_by_its_name_and_shows_its_declaration(table: FakeTable) -> None:
    at = click(opened(table, ROOM), "**tenants**")
    assert at.query_params == {"name": "tenants"}
    assert at.title[0].value == "tenants"
    assert at.code[0].value == DECLARATION.rstrip()


def test_a_link_to_a_renderer_that_is_not_there_says_so_and_leads_back(table: FakeTable) -> None:
    at = opened(table, ROOM, query={"name": "nothing"})
    assert [error.value for error in at.error] == [plain("There is no renderer nothing.")]
    click(at, "Show all renderers")
    assert "**tenants**" in labels(at)


def test_two_revisions_are_shown_by_their_difference(table: FakeTable) -> None:
    table.tables.sources["tenants"].texts += [EDITED, EDITED.replace("tier: ", "level: ")]
    at = one(table, "Revisions")
    assert '+        metadata: {name: "${row.slug}", labels: {level: "${row.plan}"}}' in words(at)
    next(box for box in at.selectbox if box.label == "From").set_value(1)
    next(box for box in at.selectbox if box.label == "To").set_value(2)
    said = words(run(at))
    assert '-        metadata: {name: "${row.slug}", labels: {plan: "${row.plan}"}}' in said
    assert '+        metadata: {name: "${row.slug}", labels: {tier: "${row.plan}"}}' in said


def test_a_renderer_of_one_revision_has_nothing_to_compare(table: FakeTable) -> None:
    assert "Revision 1 is the only one." in words(one(table, "Revisions"))


def test_an_edited_declaration_is_tried_against_a_row_and_nothing_is_saved(table: FakeTable) -> None:
    at = one(table, key="1")
    assert "What the row becomes by the declaration that is applied" in words(at)
    at.text_area[0].set_value(EDITED)
    said = words(run(at))
    assert "-    plan: team" in said
    assert "+    tier: team" in said
    at.segmented_control[0].set_value("Manifests")
    assert "tier: team" in words(run(at))
    assert table.tables.sources["tenants"].texts == [DECLARATION]


def test_what_an_edited_declaration_gets_wrong_is_said_with_its_place(table: FakeTable) -> None:
    at = one(table, key="1")
    at.text_area[0].set_value(DECLARATION.replace("row.slug", "row.slgu"))
    run(at)
    assert [error.value for error in at.error] == [
        f"**{plain('spec.name, line 6, column 9')}** {plain('Undefined field.')}"
    ]
    assert "row.slgu" in words(at)


def test_a_crud_without_previews_says_so(table: FakeTable) -> None:
    table.tables.sources["tenants"].older = frozenset({"preview"})
    assert "older than the dashboard" in words(one(table, key="1"))


def test_a_renderer_without_rows_has_nothing_to_try_an_edit_with(table: FakeTable) -> None:
    table.tables.sources["tenants"] = FakeSource()
    assert "There is no row to try it with yet." in words(one(table, "Try an edit"))


def test_the_way_back_leads_to_the_list(table: FakeTable) -> None:
    at = one(table)
    button(at, "Renderers").click()
    assert "**tenants**" in labels(run(at))


@pytest.mark.parametrize("text", ["", "- a", "spec: {source: 1}", "a: [", "spec: {source: {table: [x]}}"])
def test_a_text_that_names_no_table_has_none(text: str) -> None:
    assert texts.table_of(text) == ""


def test_what_a_row_says_stays_text_in_its_manifests() -> None:
    assert texts.as_yaml({"name": "a", "value": "12", "text": "größer"}) == "name: a\nvalue: '12'\ntext: größer\n"
