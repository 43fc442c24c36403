"""The page, run by Streamlit's own AppTest on the fake that ships beside the port."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from configurations.models import Draft, TargetStatus
from shared.formatting import plain
from unit.ui.driver import DOWN, click, fill, names, opened, run
from unit.ui.fakes.client import FakeClient, FakeTable


def draft(name: str, environment: str = "prod") -> Draft:
    return Draft(name, f"https://git.example/{name}.git", "main", environment)


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable()
    jonas = FakeClient(table, "jonas")
    for name, environment in (("alpha", "prod"), ("beta", "dev"), ("gamma", "prod")):
        jonas.create(draft(name, environment))
    table.deliver(2, "k8s", TargetStatus("k8s", "synced", 1, "created", "4711"))
    return table


def test_the_list_shows_rows_states_and_their_number(table: FakeTable) -> None:
    at = opened(table)
    assert names(at) == ["gamma", "beta", "alpha"]
    assert [list(state) for state in at.dataframe[0].value["Kubernetes"]] == [["pending"], ["synced"], ["pending"]]
    assert "1-3 of 3" in [caption.value for caption in at.caption]


def test_search_environment_and_sort_narrow_and_order_the_list(table: FakeTable) -> None:
    at = opened(table)
    fill(at, "Search", "a")
    at.selectbox(key="environment").set_value("prod")
    at.selectbox(key="sort").set_value("name")
    assert names(run(at)) == ["alpha", "gamma"]


def test_a_state_narrows_the_list_to_rows_that_are_in_it_at_all_targets_together(table: FakeTable) -> None:
    table.deliver(3, "k8s", TargetStatus("k8s", "failed", 1, "dead-lettered"))
    at = opened(table)
    at.selectbox(key="state").set_value("failed")
    assert names(run(at)) == ["gamma"]
    at.selectbox(key="state").set_value("pending")
    assert names(run(at)) == ["beta", "alpha"]
    at.selectbox(key="state").set_value("synced")
    assert names(click(run(at), "Clear the filters")) == ["gamma", "beta", "alpha"]


def test_pages_go_forth_and_back(table: FakeTable) -> None:
    for number in range(30):
        FakeClient(table).create(draft(f"app-{number:02}"))
    at = opened(table)
    assert "1-20 of 33" in [caption.value for caption in at.caption]
    click(at, "Next")
    assert "21-33 of 33" in [caption.value for caption in at.caption]
    assert next(button for button in at.button if button.label == "Next").disabled
    click(at, "Previous")
    assert "1-20 of 33" in [caption.value for caption in at.caption]


def test_a_search_starts_on_the_first_page(table: FakeTable) -> None:
    for number in range(30):
        FakeClient(table).create(draft(f"app-{number:02}"))
    at = click(opened(table), "Next")
    fill(at, "Search", "app-")
    assert "1-20 of 30" in [caption.value for caption in run(at).caption]


def test_choosing_a_cell_opens_its_row(table: FakeTable) -> None:
    at = opened(table)
    at.session_state["table"] = {"selection": {"rows": [], "columns": [], "cells": [(1, "Name")]}}
    run(at)
    assert at.query_params == {"id": "2"}
    assert at.title[0].value == "beta"


def test_a_link_opens_its_row_and_shows_each_target(table: FakeTable) -> None:
    at = opened(table, query={"id": "2"})
    assert at.title[0].value == "beta"
    assert any("resource version 4711" in html.proto.body for html in at.get("html"))


def test_a_link_to_a_row_that_is_gone_says_so_and_leads_back(table: FakeTable) -> None:
    at = opened(table, query={"id": "99"})
    assert [error.value for error in at.error] == [plain("There is no configuration 99.")]
    click(at, "Show all configurations")
    assert names(at) == ["gamma", "beta", "alpha"]


def test_nothing_yet_invites_to_create_the_first_one() -> None:
    at = click(opened(FakeTable()), "Create the first one")
    assert "Create" in [button.label for button in at.button]


def test_no_match_offers_to_clear_the_filters(table: FakeTable) -> None:
    at = opened(table)
    fill(at, "Search", "nothing is called so")
    run(at)
    assert "No configuration matches." in [text.value for text in at.markdown]
    assert names(click(at, "Clear the filters")) == ["gamma", "beta", "alpha"]


def test_create_refuses_a_bad_name_at_its_field_and_sends_nothing(table: FakeTable) -> None:
    at = click(opened(table), "New configuration")
    fill(at, "Name", "Bad Name")
    fill(at, "Repository URL", "https://git.example/a.git")
    fill(at, "Environment", "prod")
    click(at, "Create")
    assert any("begin and end" in text.value for text in at.markdown)
    assert len(table.rows) == 3


def test_create_shows_what_only_crud_can_refuse_at_its_field(table: FakeTable) -> None:
    at = click(opened(table), "New configuration")
    fill(at, "Name", "alpha")
    fill(at, "Repository URL", "https://git.example/a.git")
    fill(at, "Environment", "prod")
    click(at, "Create")
    assert any(plain("The name alpha is taken.") in text.value for text in at.markdown)


def test_create_saves_as_the_person_and_opens_the_row(table: FakeTable) -> None:
    at = opened(table)
    fill(at, "You are", "petra")
    click(run(at), "New configuration")
    fill(at, "Name", "delta")
    fill(at, "Repository URL", "https://git.example/delta.git")
    fill(at, "Environment", "prod")
    click(at, "Create")
    assert at.title[0].value == "delta"
    assert table.rows[4].updated_by == "petra"
    assert table.rows[4].draft == draft("delta")


def test_a_person_that_crud_would_refuse_stays_anonymous(table: FakeTable) -> None:
    at = opened(table, query={"id": "1"})
    fill(at, "You are", "a\u2028b")
    fill(run(at), "Branch", "dev")
    click(at, "Save")
    assert table.rows[1].updated_by == "anonymous"


def test_edit_saves_a_new_generation(table: FakeTable) -> None:
    at = opened(table, query={"id": "1"})
    fill(at, "Branch", "dev")
    click(at, "Save")
    assert (table.rows[1].branch, table.rows[1].generation, table.rows[1].updated_by) == ("dev", 2, "maria")
    assert any("generation 2" in caption.value for caption in at.caption)


def test_saving_without_a_difference_saves_nothing(table: FakeTable) -> None:
    at = click(opened(table, query={"id": "1"}), "Save")
    assert table.rows[1].generation == 1
    assert any("nothing was saved" in info.value for info in at.info)


def conflicting(table: FakeTable) -> AppTest:
    at = opened(table, query={"id": "1"})
    FakeClient(table, "jonas").update(1, replace(draft("alpha"), branch="theirs"), 1)
    fill(at, "Branch", "mine")
    return click(at, "Save")


def test_a_conflict_says_who_saved_and_shows_both(table: FakeTable) -> None:
    at = conflicting(table)
    assert any(warning.value.startswith("jonas saved generation 2") for warning in at.warning)
    branch = next(radio for radio in at.radio if radio.label.startswith("Branch"))
    assert branch.options == ["mine", "theirs"]
    assert table.rows[1].branch == "theirs"


def test_a_conflict_lets_mine_win(table: FakeTable) -> None:
    at = click(conflicting(table), "Save mine over it")
    assert (table.rows[1].branch, table.rows[1].generation) == ("mine", 3)
    assert not at.warning


def test_a_conflict_lets_theirs_stand(table: FakeTable) -> None:
    at = click(conflicting(table), "Take what was saved")
    assert (table.rows[1].branch, table.rows[1].generation) == ("theirs", 2)
    assert [field.value for field in at.text_input if field.label == "Branch"] == ["theirs"]


def test_a_change_by_somebody_else_is_announced_before_saving(table: FakeTable) -> None:
    at = opened(table, query={"id": "1"})
    FakeClient(table, "jonas").update(1, replace(draft("alpha"), branch="theirs"), 1)
    assert any("saved generation 2 meanwhile" in info.value for info in run(at).info)
    click(at, "Show it")
    assert [field.value for field in at.text_input if field.label == "Branch"] == ["theirs"]


def test_delete_asks_for_the_name(table: FakeTable) -> None:
    at = click(opened(table, query={"id": "1"}), "Delete")
    fill(at, "Type the name to confirm", "alphx")
    assert next(button for button in run(at).button if button.label == "Delete it").disabled
    fill(at, "Type the name to confirm", "alpha")
    click(run(at), "Delete it")
    assert 1 not in table.rows
    assert names(at) == ["gamma", "beta"]


def test_a_delete_of_what_changed_meanwhile_is_refused(table: FakeTable) -> None:
    at = click(opened(table, query={"id": "1"}), "Delete")
    FakeClient(table, "jonas").update(1, replace(draft("alpha"), branch="theirs"), 1)
    fill(at, "Type the name to confirm", "alpha")
    click(run(at), "Delete it")
    assert 1 in table.rows
    assert any("generation 2" in error.value for error in at.error)


@pytest.mark.parametrize("query", [{}, {"id": "1"}])
def test_a_service_that_is_down_is_one_line_with_a_retry(table: FakeTable, query: dict[str, str]) -> None:
    table.down = DOWN
    at = opened(table, query=query)
    assert [error.value for error in at.error] == [plain(DOWN)]
    table.down = None
    click(at, "Retry")
    assert not at.error


def test_a_save_that_does_not_arrive_keeps_what_was_typed(table: FakeTable) -> None:
    at = opened(table, query={"id": "1"})
    fill(at, "Branch", "mine")
    table.down = DOWN
    click(at, "Save")
    assert plain(DOWN) in [error.value for error in at.error]
    table.down = None
    click(click(at, "Close"), "Save")
    assert table.rows[1].branch == "mine"


def test_what_was_last_seen_stays_in_sight_while_a_service_is_down(table: FakeTable) -> None:
    at = opened(table)
    table.down = DOWN
    run(at)
    assert [error.value for error in at.error] == [plain(f"{DOWN} What follows is what was last seen.")]
    assert names(at) == ["gamma", "beta", "alpha"]
