"""The room of a renderer's rows, run by Streamlit's own AppTest on the fake client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from client.errors import FieldError, RefusedError
from configurations.models import TargetStatus
from dead_letters.models import Letter
from login.identity import Roles
from rows.models import Choice, Column, LiveRow, Row, RowsQuery
from shared.formatting import plain
from unit.ui.driver import DOWN, button, click, fill, labels, offered, opened, run, words, write
from unit.ui.fakes.client import FakeClient, FakeTable
from unit.ui.fakes.renderers import NOW, SHOP, FakeSource, not_null, tenants

ROOM = "Rows"
WHY = "the declaration does not say edit: true"
OLDER = "older than the dashboard"


@pytest.fixture
def table() -> FakeTable:
    return FakeTable(tables=tenants())


def source(table: FakeTable) -> FakeSource:
    return table.tables.sources["tenants"]


def saved(table: FakeTable, key: str = "1") -> Row:
    return source(table).rows[key]


def add(table: FakeTable, number: int, **values: Any) -> None:
    table.tables.save("tenants", {**SHOP, "id": number, "slug": f"tenant-{number}", **values})


def one(table: FakeTable, tab: str = "", key: str = "1", **more: Any) -> AppTest:
    at = opened(table, ROOM, query={"renderer": "tenants", "key": key}, **more)
    if tab:
        at.session_state["row_tab"] = tab
        run(at)
    return at


def keys(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["Key"])


def field(at: AppTest, label: str) -> Any:
    """The one field of a row's column; what must be filled in is marked."""
    widgets = (*at.text_input, *at.number_input, *at.selectbox, *at.checkbox, *at.date_input, *at.text_area)
    (found,) = [one for one in widgets if one.label.removesuffix(" :red[*]") == plain(label)]
    return found


def links(at: AppTest) -> Mapping[str, str]:
    return {link.proto.label: link.proto.query_string for link in at.main.get("page_link")}


# The list


def test_the_list_has_the_columns_of_the_table_and_the_state_at_each_target(table: FakeTable) -> None:
    table.tables.deliver("tenants", "1", TargetStatus("k8s", "synced", 1), TargetStatus("git", "failed", 1))
    at = opened(table, ROOM)
    shown = at.dataframe[0].value
    # The key is a column of its own already.
    assert {"Key", "slug", "plan", "settings", "By"} <= set(shown)
    assert "id" not in set(shown)
    assert [list(state) for state in (*shown["Kubernetes"], *shown["Git"])] == [["synced"], ["failed"]]
    assert list(shown["settings"]) == ['{"theme": "dark"}']
    assert "1-1 of 1" in [caption.value for caption in at.caption]


def test_a_column_that_is_called_as_one_of_ours_is_beside_it(table: FakeTable) -> None:
    source(table).columns += (Column("Git", "text"),)
    table.tables.save("tenants", {**SHOP, "Git": "theirs"})
    assert list(opened(table, ROOM).dataframe[0].value["Git (column)"]) == ["theirs"]


def test_search_state_a_column_and_the_order_narrow_and_sort_the_list(table: FakeTable) -> None:
    add(table, 2, plan="free", cpu=2)
    add(table, 3, cpu=4)
    at = opened(table, ROOM)
    fill(at, "Search", "tenant-")
    assert keys(run(at)) == ["2", "3"]
    fill(at, "Search", "")
    at.selectbox(key="rows_column").set_value("plan")
    run(at)
    at.text_input(key="rows_value").set_value("team")
    assert keys(run(at)) == ["1", "3"]
    at.selectbox(key="rows_sort").set_value("cpu")
    at.checkbox(key="rows_descending").set_value(True)
    assert keys(run(at)) == ["1", "3"]
    at.selectbox(key="rows_state").set_value("synced")
    assert "No row matches." in words(run(at))
    assert keys(click(at, "Clear the filters")) == ["1", "3", "2"]


def test_the_list_shows_where_rows_go_and_has_those_of_one_environment(table: FakeTable) -> None:
    add(table, 2)
    rows = source(table).rows
    rows["2"] = replace(rows["2"], environment="prod")
    at = opened(table, ROOM)
    assert list(at.dataframe[0].value["Environment"]) == ["", "prod"]
    at.text_input(key="rows_environment").set_value("prod")
    assert keys(run(at)) == ["2"]
    at.text_input(key="rows_environment").set_value("dev")
    assert "No row matches." in words(run(at))
    assert keys(click(at, "Clear the filters")) == ["1", "2"]


def test_pages_go_forth_and_back(table: FakeTable) -> None:
    for number in range(100, 130):
        add(table, number)
    at = opened(table, ROOM)
    assert "1-20 of 31" in words(at)
    assert "21-31 of 31" in words(click(at, "Next"))
    assert "1-20 of 31" in words(click(at, "Previous"))


def test_choosing_a_cell_opens_its_row(table: FakeTable) -> None:
    add(table, 2)
    at = opened(table, ROOM)
    at.session_state["rows_table"] = {"selection": {"rows": [], "columns": [], "cells": [(1, "slug")]}}
    run(at)
    assert at.query_params == {"renderer": "tenants", "key": "2"}
    assert at.title[0].value == "2"


def test_the_address_says_whose_rows_are_shown_and_the_choice_changes_it(table: FakeTable) -> None:
    table.tables.sources["apps"] = FakeSource(columns=())
    table.tables.save("apps", {"id": 7, "image": "nginx"})
    at = opened(table, ROOM, query={"renderer": "tenants"})
    assert keys(at) == ["1"]
    at.segmented_control[0].set_value("apps")
    run(at)
    assert at.query_params == {"renderer": "apps"}
    assert list(at.dataframe[0].value["image"]) == ["nginx"]


def test_without_any_renderer_the_room_leads_to_how_to_begin() -> None:
    assert links(opened(FakeTable(), ROOM)) == {"How to begin": ""}


def test_a_renderer_that_is_not_there_says_so_and_leads_back(table: FakeTable) -> None:
    at = opened(table, ROOM, query={"renderer": "nothing"})
    assert [error.value for error in at.error] == [plain("There is no renderer nothing.")]
    assert keys(click(at, "Show all rows")) == ["1"]


def test_a_table_that_is_not_edited_here_says_why_and_offers_no_change(table: FakeTable) -> None:
    source(table).why = WHY
    at = opened(table, ROOM)
    assert plain("Read only: The declaration does not say edit: true") in words(at)
    assert not {"New row", "Import"} & offered(at)
    row = one(table)
    assert "Read only" in words(row)
    assert not {"Save", "Delete"} & offered(row)
    assert "shop" in words(row)


def test_who_may_not_edit_is_offered_no_change(table: FakeTable) -> None:
    assert not {"New row", "Import"} & offered(opened(table, ROOM, Roles("viewer")))
    assert not {"Save", "Delete"} & offered(one(table, roles=Roles("viewer")))


def test_a_crud_that_does_not_tell_the_columns_still_shows_rows(table: FakeTable) -> None:
    source(table).older = frozenset({"columns"})
    at = opened(table, ROOM)
    assert OLDER in words(at)
    assert list(at.dataframe[0].value["slug"]) == ["shop"]


def test_a_crud_that_is_away_is_one_line(table: FakeTable) -> None:
    table.down = DOWN
    assert [error.value for error in opened(table, ROOM).error] == [plain(DOWN)]


# One row


def test_a_row_tells_what_it_is_and_what_became_of_it_at_each_target(table: FakeTable) -> None:
    refused = TargetStatus("k8s", "failed", 1, error="namespaces is forbidden")
    table.tables.deliver("tenants", "1", refused, TargetStatus("git", "synced", 1))
    at = one(table)
    assert at.title[0].value == "1"
    assert "Of tenants, generation 1, by revision 1, changed" in words(at)
    assert [error.value for error in at.error] == [plain("namespaces is forbidden")]
    assert links(at) == {"Dead letters of this row": "renderer=tenants&key=1"}


def test_the_link_to_dead_letters_shows_only_those_of_the_row(table: FakeTable) -> None:
    letter = Letter(1, "open", "k8s", "refused", "no", None, None, 1, {}, 1, NOW, renderer="tenants", key="1")
    for each in (letter, replace(letter, id=2, key="2")):
        table.refuse(each, {})
    at = opened(table, "Dead letters", query={"renderer": "tenants", "key": "1"})
    assert [expander.label.partition(" at ")[0] for expander in at.expander] == ["row 1 of tenants"]
    assert len(click(at, "Show all").expander) == 2


def test_a_row_that_is_gone_is_shown_as_it_was_last(table: FakeTable) -> None:
    table.tables.save("tenants", SHOP, deleted=True)
    at = one(table)
    assert "This row is deleted." in words(at)
    assert "Delete" not in labels(at)


def test_a_row_that_never_was_says_so_and_leads_back(table: FakeTable) -> None:
    at = one(table, key="99")
    assert [error.value for error in at.error] == [plain("Renderer tenants has no row 99.")]
    assert keys(click(at, "Show all rows")) == ["1"]


def test_the_manifests_of_a_row_are_shown_as_yaml(table: FakeTable) -> None:
    at = one(table, "Manifests")
    assert "kind: Namespace" in words(at)
    assert "name: shop" in words(at)
    assert "Try an edited declaration against this row" in links(at)


def test_what_each_target_has_now_is_shown_with_its_difference(table: FakeTable) -> None:
    refused = "Invalid: no such label"
    live = LiveRow("k8s", "namespaces/shop", "kind: Namespace", "9", "", "-plan: team\n+plan: free", refused)
    source(table).live["1"] = (live, LiveRow("git", unavailable="the remote does not answer"))
    said = words(one(table, "Live"))
    assert "`namespaces/shop`" in said
    assert "resource version 9" in said
    assert "kind: Namespace" in said
    assert "+plan: free" in said
    assert f"**It would refuse what the row says.** {plain(refused)}" in said
    assert plain("the remote does not answer.") in said


@pytest.mark.parametrize(("call", "tab"), [("preview", "Manifests"), ("live", "Live"), ("history", "History")])
def test_what_an_older_crud_does_not_have_is_said_in_a_sentence(table: FakeTable, call: str, tab: str) -> None:
    source(table).older = frozenset({call})
    at = one(table, tab)
    assert any(OLDER in info.value for info in at.info)


# Changes


def test_each_column_has_the_field_of_its_type(table: FakeTable) -> None:
    at = one(table)
    kinds = {name: field(at, name).type for name in ("slug", "plan", "active", "trial", "cpu", "price", "since")}
    assert kinds == {
        "slug": "text_input",
        "plan": "selectbox",
        "active": "checkbox",
        "trial": "selectbox",
        "cpu": "number_input",
        "price": "text_input",
        "since": "date_input",
    }
    assert field(at, "plan").options == ["free", "team", "enterprise"]
    assert field(at, "trial").options == ["NULL", "true", "false"]
    assert field(at, "settings").value == '{\n  "theme": "dark"\n}'
    assert field(at, "label").disabled
    assert field(at, "id").disabled
    assert field(at, "slug").label == "slug :red[*]"
    assert "integer · empty is NULL" in words(at)
    assert "text · of public" in words(at)


def test_only_what_differs_is_saved(table: FakeTable) -> None:
    at = one(table)
    field(at, "plan").set_value("enterprise")
    field(at, "cpu").set_value(None)
    field(at, "trial").set_value("true")
    field(at, "since").set_value(None)
    click(at, "Save")
    now = saved(table)
    changed = {name: value for name, value in now.values.items() if value != SHOP[name]}
    assert changed == {"plan": "enterprise", "cpu": None, "trial": True, "since": None}
    assert (now.generation, now.actor) == (2, "maria")
    assert "Nothing is different" in words(click(at, "Save"))
    assert saved(table).generation == 2


def test_what_nobody_touched_is_not_saved_whatever_its_field_makes_of_it(table: FakeTable) -> None:
    # An empty text is no NULL, and a float no text.
    source(table).columns += (Column("ratio", "double precision"), Column("big", "bigint"))
    table.tables.save("tenants", {**SHOP, "region": "", "ratio": 1.5, "big": 2**62})
    assert "Nothing is different" in words(click(one(table), "Save"))
    assert saved(table).generation == 2


def test_a_row_that_is_opened_again_is_as_it_is_then(table: FakeTable) -> None:
    at = click(one(table), "Rows")
    FakeClient(table, "jonas").change_row("tenants", "1", {"slug": "theirs"}, 1)
    at.query_params["key"] = "1"
    assert field(run(at), "slug").value == "theirs"


def test_a_foreign_key_is_chosen_from_what_the_other_table_has_by_the_names_that_people_know(table: FakeTable) -> None:
    at = one(table)
    assert field(at, "region").options == ["NULL", "eu · Europe", "asia · Asia", "us"]
    assert field(at, "region").value == Choice("eu", "Europe")
    field(at, "region").set_value(Choice("us"))
    click(at, "Save")
    assert saved(table).values == SHOP | {"region": "us"}


def test_where_a_foreign_key_may_be_more_than_a_page_a_search_narrows_it(table: FakeTable) -> None:
    assert "Search region" not in {each.label for each in one(table).text_input}
    numbers = (Choice(f"{number:03}", f"Region {number}") for number in range(120))
    source(table).choices = (*numbers, Choice("eu", "Europe"))
    at = one(table)
    # Its own value is none of the first fifty.
    assert field(at, "region").options[:3] == ["NULL", "eu · Europe", "000 · Region 0"]
    assert "The first 50 of them; search for the others." in words(at)
    at = write(at, "Search region", "region 11")
    assert field(at, "region").options == ["NULL", "eu · Europe", "011 · Region 11"] + [
        f"{number} · Region {number}" for number in range(110, 120)
    ]
    field(at, "region").set_value(Choice("117", "Region 117"))
    at = write(run(at), "Search region", "nowhere")
    assert field(at, "region").options == ["NULL", "117 · Region 117"]
    assert "Nothing there matches." in words(at)
    click(at, "Save")
    assert saved(table).values["region"] == "117"


def test_in_a_new_row_nothing_is_chosen_for_a_foreign_key(table: FakeTable) -> None:
    columns = source(table).columns
    source(table).columns = tuple(
        replace(each, nullable=False) if each.name == "region" else each for each in columns if each.name != "active"
    )
    at = click(opened(table, ROOM), "New row")
    assert (field(at, "region").value, field(at, "region").options) == (None, ["asia · Asia", "eu · Europe", "us"])
    field(at, "slug").set_value("new")
    click(at, "Create")
    assert plain("Fill this in.") in words(at)
    field(at, "region").set_value(Choice("asia", "Asia"))
    click(at, "Create")
    assert saved(table, "101").values["region"] == "asia"


def test_where_crud_may_not_read_the_other_table_a_foreign_key_is_typed_and_the_grant_is_named(
    table: FakeTable,
) -> None:
    source(
        table
    ).unreadable = (
        "crud may not read public.regions; its owner has to run: GRANT SELECT ON public.regions TO rowcast_crud"
    )
    at = one(table)
    assert (field(at, "region").type, field(at, "region").value) == ("text_input", "eu")
    assert plain("GRANT SELECT ON public.regions TO rowcast_crud") in words(at)
    field(at, "region").set_value("us")
    click(at, "Save")
    assert saved(table).values["region"] == "us"


def test_a_crud_that_lists_no_choices_has_a_foreign_key_typed(table: FakeTable) -> None:
    source(table).older = frozenset({"choices"})
    at = one(table)
    assert (field(at, "region").type, OLDER in words(at)) == ("text_input", True)


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("settings", '{"a": }', "It is not JSON at line 1, column 7"),
        ("price", "a lot", "is a number"),
    ],
)
def test_what_is_no_value_of_its_column_is_said_at_its_field_and_not_sent(
    table: FakeTable, name: str, typed: str, said: str
) -> None:
    at = one(table)
    field(at, name).set_value(typed)
    click(at, "Save")
    assert said in words(at).replace("\\", "")
    assert saved(table).generation == 1


def test_what_the_database_refuses_is_said_at_its_field(table: FakeTable) -> None:
    source(table).refusal = not_null("region")
    at = one(table)
    field(at, "slug").set_value("other")
    click(at, "Save")
    assert any("Must not be NULL" in text.value for text in at.markdown)
    assert not at.error


def test_what_a_rule_of_several_columns_refuses_is_said_at_each_of_them(table: FakeTable) -> None:
    taken = FieldError("slug, region", "unique", "another row has it")
    source(table).refusal = RefusedError(409, "Conflict", "the row is not saved", (taken,))
    at = one(table)
    field(at, "slug").set_value("other")
    click(at, "Save")
    assert len([text for text in at.markdown if "Another row has it" in text.value]) == 2


def test_what_no_field_can_show_is_said_in_a_line(table: FakeTable) -> None:
    check = FieldError("values", "check", "tenants_cpu_check: cpu must be even")
    source(table).refusal = RefusedError(422, "Unprocessable Content", "the row is not valid", (check,))
    at = one(table)
    field(at, "slug").set_value("other")
    click(at, "Save")
    assert ["tenants" in error.value for error in at.error] == [True]


def test_a_conflict_keeps_what_was_typed_and_shows_both(table: FakeTable) -> None:
    at = one(table)
    field(at, "slug").set_value("mine")
    field(at, "cpu").set_value(16)
    FakeClient(table, "jonas").change_row("tenants", "1", {"slug": "theirs", "price": "20"}, 1)
    click(at, "Save")
    assert "jonas saved generation 2" in words(at)
    options = {radio.label.partition(" ")[0]: radio.options for radio in at.radio}
    assert options == {"slug": ["mine", "theirs"], "cpu": ["16", "8"], "price": [plain("12.50"), "20"]}
    click(at, "Save what I chose")
    now = saved(table)
    assert (now.generation, now.values["slug"], now.values["cpu"], now.values["price"]) == (3, "mine", 16, "20")


def test_a_row_that_was_deleted_meanwhile_keeps_what_was_typed_in_sight(table: FakeTable) -> None:
    at = one(table)
    field(at, "slug").set_value("mine")
    FakeClient(table, "jonas").delete_row("tenants", "1", 1)
    click(at, "Save")
    assert "Somebody deleted this row meanwhile." in words(at)
    assert '+ slug: "mine"' in words(at)


def test_a_change_of_somebody_else_is_told_and_shown_when_one_likes(table: FakeTable) -> None:
    at = one(table)
    FakeClient(table, "jonas").change_row("tenants", "1", {"slug": "theirs"}, 1)
    assert "jonas saved generation 2 meanwhile." in words(run(at))
    click(at, "Show it")
    assert field(at, "slug").value == "theirs"


def test_a_row_is_created_with_what_was_filled_in_and_the_rest_is_the_databases(table: FakeTable) -> None:
    at = click(opened(table, ROOM), "New row")
    click(at, "Create")
    assert "Fill this in." in words(at).replace("\\", "")
    assert len(source(table).rows) == 1
    field(at, "slug").set_value("new")
    field(at, "cpu").set_value(2)
    click(at, "Create")
    now = saved(table, "101")
    assert (now.values["slug"], now.values["cpu"], now.values["plan"], now.values["active"]) == (
        "new",
        2,
        "free",
        False,
    )
    assert at.query_params == {"renderer": "tenants", "key": "101"}


def test_what_is_filled_in_is_previewed_before_it_is_saved(table: FakeTable) -> None:
    at = one(table)
    field(at, "plan").set_value("enterprise")
    click(at, "Preview")
    assert "plan: enterprise" in words(at)
    assert saved(table).generation == 1


def test_a_row_is_deleted_by_typing_its_key(table: FakeTable) -> None:
    at = click(one(table), "Delete")
    assert button(at, "Delete it").disabled
    click(write(at, "Type the key to confirm", "1"), "Delete it")
    assert saved(table).deleted
    assert at.query_params == {"renderer": "tenants"}


# Its past, and files


def test_the_history_says_who_changed_what_and_restores_it(table: FakeTable) -> None:
    FakeClient(table, "jonas").change_row("tenants", "1", {"plan": "free", "label": "shop (free)"}, 1)
    at = one(table, "History")
    said = words(at)
    assert f"**jonas** changed {plain('plan, label')}" in said
    assert '- plan: "team"\n+ plan: "free"' in said
    assert "**ada** created it" in said
    click(at, "Restore")
    click(at, "Restore it")
    now = saved(table)
    # What the database makes is nobody's to write.
    assert (now.generation, now.values["plan"], now.values["label"]) == (3, "team", "shop (free)")


def test_a_deleted_row_is_created_again_from_its_history(table: FakeTable) -> None:
    FakeClient(table, "jonas").delete_row("tenants", "1", 1)
    at = one(table, "History")
    assert "**jonas** deleted it" in words(at)
    click(at, "Restore")
    click(at, "Create it")
    assert not saved(table).deleted
    assert saved(table).values["slug"] == "shop"


def test_the_last_version_on_a_page_is_compared_with_the_first_of_the_next(table: FakeTable) -> None:
    for number in range(20):
        FakeClient(table, "jonas").change_row("tenants", "1", {"cpu": 100 + number}, number + 1)
    at = one(table, "History")
    assert words(at).count("changed cpu") == 20
    assert "created it" not in words(at)
    assert "created it" in words(click(at, "Older"))


def test_all_rows_that_match_are_offered_as_a_file(table: FakeTable) -> None:
    at = opened(table, ROOM)
    assert [one.proto.label for one in at.get("download_button")] == ["CSV", "JSON, a line for each row"]


def test_a_file_is_looked_at_and_then_imported_with_the_types_of_its_columns(table: FakeTable) -> None:
    at = click(opened(table, ROOM), "Import")
    text = 'id,slug,active,cpu,price,settings\n1,shop,true,9,12.50,"{""theme"": ""light""}"\n2, blog ,false,,1,\n'
    at.text_area(key="import_text").set_value(text)
    run(at)
    assert (at.query_params["renderer"], at.query_params["import"]) == ("tenants", "new")
    click(at, "Import 2")
    assert "1 created, 1 changed." in words(at)
    (_, looked), (_, sent) = table.tables.imports
    assert looked == sent
    first = {"id": 1, "slug": "shop", "active": True, "cpu": 9, "price": "12.50", "settings": {"theme": "light"}}
    assert sent == (first, {"id": 2, "slug": " blog ", "active": False, "price": "1"})
    assert keys(click(at, "Show all rows")) == ["1", "2"]


@pytest.mark.parametrize("form", ["[{}]", "{}", "{}\n\n"])
def test_in_a_file_of_json_a_text_stays_a_text_and_null_a_value(table: FakeTable, form: str) -> None:
    at = click(opened(table, ROOM), "Import")
    row = '{"id": 1, "slug": " 5", "settings": "5", "cpu": null, "nobodys": 1}'
    at.text_area(key="import_text").set_value(form.replace("{}", row))
    run(at)
    assert table.tables.imports[0][1] == ({"id": 1, "slug": " 5", "settings": "5", "cpu": None, "nobodys": 1},)


def test_what_was_exported_is_imported_line_by_line(table: FakeTable) -> None:
    add(table, 2)
    at = click(opened(table, ROOM), "Import")
    text = FakeClient(table).export_rows(RowsQuery("tenants"), "ndjson").decode()
    at.text_area(key="import_text").set_value(text)
    run(at)
    assert [len(rows) for _, rows in table.tables.imports] == [2]
    assert "Every other row is as it is already." not in words(at)
    assert "There is nothing to import." in words(at)


def test_a_key_that_somebody_has_to_give_is_missed_in_a_file(table: FakeTable) -> None:
    source(table).columns = (Column("slug", "text", nullable=False, key=True), Column("cpu", "integer"))
    at = click(opened(table, ROOM), "Import")
    at.text_area(key="import_text").set_value("cpu\n1")
    assert [error.value for error in run(at).error] == [plain("Its first line names no column slug.")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": 1}\n{"id": }', "At line 2 it is not JSON"),
        ("id: 1\n", "There is no row in it."),
        ("a,b\nc", "At line 2 there are fewer values than columns."),
        ("[1]", "Entry 1 is not a row with fields."),
    ],
)
def test_a_file_that_cannot_be_read_says_where(table: FakeTable, text: str, said: str) -> None:
    at = click(opened(table, ROOM), "Import")
    at.text_area(key="import_text").set_value(text)
    assert [error.value.startswith(plain(said)) for error in run(at).error] == [True]
    assert not table.tables.imports
