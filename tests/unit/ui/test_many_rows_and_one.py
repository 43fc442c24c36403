"""Many configurations at once, and one with its preview, its past and its targets: by AppTest, on the fake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from client.errors import UnavailableError
from configurations.models import Draft, TargetStatus
from login.identity import Roles
from shared.formatting import plain
from unit.ui.driver import button, click, names, offered, opened, run, words, write
from unit.ui.fakes.client import FakeClient, FakeTable

VIEWER = Roles("viewer")
HEADER = "name,repository_url,branch,environment\n"


def tick(at: AppTest, *lines: int) -> AppTest:
    at.session_state["table"] = {"selection": {"rows": list(lines), "columns": [], "cells": []}}
    return run(at)


def open_tab(at: AppTest, label: str) -> AppTest:
    at.session_state["detail_tab"] = label
    return run(at)


def draft(name: str, environment: str = "prod") -> Draft:
    return Draft(name, f"https://git.example/{name}.git", "main", environment)


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable()
    for name, environment in (("alpha", "prod"), ("beta", "dev"), ("gamma", "prod")):
        FakeClient(table, "jonas").create(draft(name, environment))
    return table


def branches(table: FakeTable) -> dict[str, str]:
    return {row.name: row.branch for row in table.rows.values()}


# Many at once


def test_nothing_ticked_offers_nothing_to_do(table: FakeTable) -> None:
    at = opened(table)
    assert all(button(at, label).disabled for label in ("Branch", "Environment", "Delete", "Clear"))


def test_ticked_rows_get_another_branch_after_a_dialog_that_names_them(table: FakeTable) -> None:
    at = click(tick(opened(table), 0, 2), "Branch")
    assert "**gamma**, **alpha**" in words(at)
    click(write(at, "New branch", "next"), "Change 2")
    assert branches(table) == {"alpha": "next", "beta": "main", "gamma": "next"}
    assert all(button(at, label).disabled for label in ("Branch", "Environment", "Delete"))


def test_a_value_that_the_rules_refuse_is_refused_before_it_is_sent(table: FakeTable) -> None:
    at = write(click(tick(opened(table), 0), "Environment"), "New environment", "Not A Label")
    assert button(at, "Change 1").disabled
    assert "begin and end" in words(at)


def test_deleting_several_asks_for_their_number(table: FakeTable) -> None:
    at = click(tick(opened(table), 0, 1), "Delete")
    assert button(write(at, "Type `delete 2` to confirm", "delete 3"), "Delete 2").disabled
    click(write(at, "Type `delete 2` to confirm", "delete 2"), "Delete 2")
    assert names(at) == ["alpha"]


def test_a_row_that_moves_takes_its_tick_along(table: FakeTable) -> None:
    at = tick(opened(table), 0)
    FakeClient(table, "jonas").update(1, replace(draft("alpha"), branch="moved-to-the-top"), 1)
    FakeClient(table, "jonas").create(draft("delta"))
    click(write(click(at, "Branch"), "New branch", "next"), "Change 1")
    assert branches(table)["gamma"] == "next"
    assert names(run(at))[0] == "delta"


def test_another_search_takes_the_ticks_away(table: FakeTable) -> None:
    at = write(tick(opened(table), 1), "Search", "a")
    assert button(at, "Delete").disabled


def test_all_that_match_are_chosen_at_once(table: FakeTable) -> None:
    for number in range(30):
        FakeClient(table).create(draft(f"app-{number:02}"))
    at = click(tick(opened(table), *range(20)), "Choose all 33 that match")
    assert "**33 chosen**" in words(at)
    click(write(click(at, "Environment"), "New environment", "next"), "Change 33")
    assert {row.environment for row in table.rows.values()} == {"next"}


def test_if_somebody_was_faster_nothing_is_done_and_the_row_can_be_left_out(table: FakeTable) -> None:
    at = write(click(tick(opened(table), 0, 2), "Branch"), "New branch", "next")
    FakeClient(table, "jonas").update(1, replace(draft("alpha"), branch="theirs"), 1)
    click(at, "Change 2")
    assert branches(table) == {"alpha": "theirs", "beta": "main", "gamma": "main"}
    assert "alpha" in at.error[0].value
    click(write(click(at, "Leave these out"), "New branch", "next"), "Change 1")
    assert branches(table) == {"alpha": "theirs", "beta": "main", "gamma": "next"}


def test_whoever_may_only_look_is_offered_no_change(table: FakeTable) -> None:
    changing = {"Branch", "Environment", "Delete", "Import", "New configuration", "Save", "Preview", "Restore"}
    at = opened(table, roles=VIEWER)
    assert names(at) == ["gamma", "beta", "alpha"]
    assert not changing & offered(at)
    row = open_tab(opened(table, roles=VIEWER, query={"id": "1"}), "History")
    assert not changing & offered(row)
    assert all(field.disabled for field in row.text_input if field.label == "Branch")
    assert "Import" not in {title.value for title in opened(table, roles=VIEWER, query={"import": "new"}).title}


# Import


def pasted(table: FakeTable, *lines: str) -> AppTest:
    at = click(opened(table), "Import")
    at.text_area(key="import_text").set_value(HEADER + "".join(f"{line}\n" for line in lines))
    return run(at)


def counts(at: AppTest) -> Sequence[str]:
    return [metric.value for metric in at.metric]


NEW, CHANGED = "delta,https://git.example/d.git,,prod", "alpha,https://git.example/alpha.git,next,prod"
SAME, BAD = "beta,https://git.example/beta.git,main,dev", "Not A Name,https://git.example/x.git,main,prod"


def test_an_import_shows_line_by_line_what_would_happen_and_does_nothing(table: FakeTable) -> None:
    at = pasted(table, NEW, CHANGED, SAME)
    assert counts(at) == ["1", "1", "1", "0"]
    lines = at.dataframe[0].value
    assert list(lines["Where"]) == ["line 2", "line 3", "line 4"]
    assert [list(word) for word in lines["What"]] == [["create"], ["change"], ["unchanged"]]
    assert lines["Details"][1] == "branch: main → next"
    assert len(table.rows) == 3


def test_an_import_is_run_after_it_was_looked_at(table: FakeTable) -> None:
    at = click(pasted(table, NEW, CHANGED, SAME), "Import 2")
    assert branches(table) == {"alpha": "next", "beta": "main", "gamma": "main", "delta": "main"}
    assert "1 created, 1 changed." in words(at)
    assert names(click(at, "Show all configurations"))[0] == "delta"


def test_what_would_be_refused_is_left_out_only_on_purpose(table: FakeTable) -> None:
    at = pasted(table, NEW, BAD)
    assert button(at, "Import 1").disabled
    assert list(at.dataframe[0].value["Name"]) == ["Not A Name"]
    at.checkbox(key="import_partly").check()
    click(run(at), "Import 1")
    assert sorted(branches(table)) == ["alpha", "beta", "delta", "gamma"]


def test_text_that_cannot_be_read_is_one_line_with_its_place(table: FakeTable) -> None:
    at = pasted(table, "a,b,c,d,e")
    assert [error.value for error in at.error] == [plain("At line 2 there are more values than columns.")]


def test_an_import_while_crud_is_down_is_one_line_with_a_retry(table: FakeTable) -> None:
    at = click(opened(table), "Import")
    table.down = "The crud service is not available."
    at.text_area(key="import_text").set_value(f"{HEADER}{NEW}\n")
    assert "not available" in run(at).error[0].value
    table.down = None
    assert counts(click(at, "Retry")) == ["1", "0", "0", "0"]


# One configuration


def test_a_field_is_judged_while_it_is_typed_and_others_are_left_alone(table: FakeTable) -> None:
    at = write(opened(table, query={"id": "1"}), "Branch", "not a branch")
    assert "Git refuses this as a branch name" in plain(words(at)).replace("\\", "")
    assert table.rows[1].generation == 1


def test_a_preview_shows_the_difference_at_each_target_and_saves_nothing(table: FakeTable) -> None:
    table.answers.live[(1, "k8s")] = (table.rows[1], "4711")
    at = click(write(opened(table, query={"id": "1"}), "Branch", "next"), "Preview")
    difference = at.code[0].value
    assert "-  branch: main" in difference
    assert "+  branch: next" in difference
    assert "creates it" in words(at)
    assert table.rows[1].branch == "main"


def test_a_preview_says_what_the_api_server_would_say(table: FakeTable) -> None:
    table.answers.refusals["k8s"] = ("Invalid", "spec.branch: denied by policy")
    at = click(write(opened(table, query={"id": "1"}), "Branch", "next"), "Preview")
    assert any("denied by policy" in error.value.replace("\\", "") for error in at.error)


def test_a_target_that_cannot_be_asked_is_said_so_beside_the_others(table: FakeTable) -> None:
    table.answers.unavailable["git"] = "sync-git does not answer"
    at = click(write(opened(table, query={"id": "1"}), "Branch", "next"), "Preview")
    assert [warning.value for warning in at.warning] == [plain("sync-git does not answer.")]
    assert at.code


def test_a_preview_of_what_was_typed_before_is_not_shown_for_what_is_there_now(table: FakeTable) -> None:
    at = write(click(write(opened(table, query={"id": "1"}), "Branch", "next"), "Preview"), "Branch", "later")
    assert not at.code
    assert "preview again" in words(at)


def test_a_preview_of_a_taken_name_is_refused_at_its_field(table: FakeTable) -> None:
    at = click(write(opened(table, query={"id": "1"}), "Name", "beta"), "Preview")
    assert plain("The name beta is taken.") in words(at)


def test_a_new_configuration_can_be_previewed(table: FakeTable) -> None:
    at = click(opened(table), "New configuration")
    for label, value in (("Name", "delta"), ("Repository URL", "https://git.example/d.git"), ("Environment", "prod")):
        write(at, label, value)
    click(at, "Preview")
    assert "+  name: delta" in at.code[0].value
    assert len(table.rows) == 3


def test_a_conflict_is_settled_field_by_field(table: FakeTable) -> None:
    at = opened(table, query={"id": "1"})
    FakeClient(table, "jonas").update(1, replace(draft("alpha"), environment="canary"), 1)
    click(write(at, "Branch", "mine"), "Save")
    assert [radio.value for radio in at.radio] == ["mine", "theirs"]
    click(at, "Save what I chose")
    assert (table.rows[1].branch, table.rows[1].environment) == ("mine", "canary")


def test_the_history_says_who_changed_what_and_restores_it(table: FakeTable) -> None:
    FakeClient(table, "petra").update(1, replace(draft("alpha"), branch="next"), 1)
    at = open_tab(opened(table, query={"id": "1"}), "History")
    assert "**petra** changed branch" in words(at)
    assert "- branch: main\n+ branch: next" in words(at)
    click(click(at, "Restore"), "Restore it")
    assert (table.rows[1].branch, table.rows[1].generation, table.rows[1].updated_by) == ("main", 3, "maria")


def test_a_restore_of_what_changed_meanwhile_is_refused(table: FakeTable) -> None:
    FakeClient(table, "petra").update(1, replace(draft("alpha"), branch="next"), 1)
    at = click(open_tab(opened(table, query={"id": "1"}), "History"), "Restore")
    FakeClient(table, "petra").update(1, replace(draft("alpha"), branch="later"), 2)
    click(at, "Restore it")
    assert table.rows[1].branch == "later"
    assert any("generation 3" in error.value for error in at.error)


def test_a_deleted_row_keeps_its_history_and_can_be_created_again(table: FakeTable) -> None:
    FakeClient(table, "petra").delete(1, 1)
    at = opened(table, query={"id": "1"})
    assert at.title[0].value == "alpha"
    assert "petra deleted this configuration" in words(at)
    click(click(at, "Restore"), "Create it")
    assert table.rows[4].draft == draft("alpha")
    assert at.query_params == {"id": "4"}


def test_the_live_resource_is_shown_with_its_place_and_a_link_to_the_commit(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWCAST_COMMIT_URL", "https://git.example/commit/{commit}")
    table.answers.live[(1, "git")] = (table.rows[1], "a" * 40)
    at = open_tab(opened(table, query={"id": "1"}), "Live")
    assert f"(https://git.example/commit/{'a' * 40})" in words(at)
    assert "environments/prod/appconfigs/alpha.yaml" in words(at)
    assert "There is nothing of it yet." in words(at)
    assert "kind: AppConfig" in at.code[0].value


def test_targets_are_asked_only_when_their_tab_is_open(table: FakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_client: FakeClient, _row_id: int) -> Any:
        raise UnavailableError("The crud service took too long to answer.")

    monkeypatch.setattr(FakeClient, "live", down)
    at = opened(table, query={"id": "1"})
    assert not at.error
    assert "too long" in open_tab(at, "Live").error[0].value


def test_the_way_of_a_change_is_on_its_page(table: FakeTable) -> None:
    table.deliver(1, "k8s", TargetStatus("k8s", "failed", 1, "dead-lettered", None, "not ours"))
    at = opened(table, query={"id": "1"})
    assert any("Refused" in html.proto.body for html in at.get("html"))
    assert "not ours" in at.error[0].value
