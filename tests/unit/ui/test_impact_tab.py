"""The tab Impact of the room Renderers, run by Streamlit's own AppTest on the fake client, and its call."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from client.errors import FieldError, RefusedError
from impact.models import Impact
from login.identity import Roles, Who
from renderers.models import Problem
from shared.formatting import plain
from unit.ui.driver import DOWN, button, click, labels, opened, run, words
from unit.ui.fakes.client import FakeTable
from unit.ui.fakes.impacts import MUCH, NOTHING, REFUSED, FakeImpacts
from unit.ui.fakes.renderers import DECLARATION, tenants
from unit.ui.test_operations_calls import client

EDITED = DECLARATION.replace("plan: ", "tier: ")
SEE = "See the impact"


@pytest.fixture
def table() -> FakeTable:
    return FakeTable(tables=tenants())


def impacts(table: FakeTable) -> FakeImpacts:
    return table.tables.sources["tenants"].impacts


def tab(table: FakeTable, name: str = "Impact", roles: Roles | None = None) -> AppTest:
    at = opened(table, "Renderers", roles, query={"name": "tenants"})
    at.session_state["renderer_tab"] = name
    return run(at)


def seen(table: FakeTable, impact: Impact = MUCH) -> AppTest:
    impacts(table).impact = impact
    return click(tab(table), SEE)


def test_nothing_is_asked_before_somebody_wants_to_see_it(table: FakeTable) -> None:
    at = tab(table)
    assert SEE in labels(at)
    assert "Nothing is changed." in words(at)
    assert impacts(table).asked == []


def test_an_edited_declaration_is_seen_against_all_rows_also_by_who_may_only_look(table: FakeTable) -> None:
    at = tab(table, roles=Roles("viewer"))
    at.text_area[0].set_value(EDITED)
    said = words(click(run(at), SEE))
    assert impacts(table).asked == [(EDITED, None)]
    assert "1,204 of 1,980 rows would change, from revision 3; 2 can't be rendered." in said
    assert [metric.value for metric in at.metric] == ["12", "4", "0", "0", "1,192", "4,732"]


def test_what_is_moved_is_said_loudly(table: FakeTable) -> None:
    loud = seen(table).error[0].value
    assert plain("12 objects are deleted, and made anew by another name or in another namespace: Namespace.") in loud


def test_groups_have_how_many_rows_from_what_to_what_and_examples_to_open(table: FakeTable) -> None:
    at = seen(table)
    titles = [one.label for one in at.expander]
    assert any("1,192 rows" in title and plain('"4" → "8"') in title for title in titles)
    assert any("900 rows" in title and plain('tier is set such as "team"') in title for title in titles)
    links = {link.proto.label: link.proto.query_string for link in at.main.get("page_link")}
    assert links["Row 17"] == "renderer=tenants&key=17"
    assert plain('Namespace tiny: "free"') in words(at)


def test_what_the_api_server_says_to_some_rows_is_with_their_group(table: FakeTable) -> None:
    at = seen(table)
    titles = "\n".join(one.label for one in at.expander)
    assert "API server refuses 1 of 3" in titles
    assert "API server takes 3 of 3" in titles
    assert f"**{plain('Row 1')}** {plain(f'{REFUSED}.')}" in [error.value for error in at.error]


def test_the_api_server_is_asked_only_if_somebody_wants_that_and_why_it_was_not_is_said(table: FakeTable) -> None:
    at = seen(table, replace(MUCH, dry_run_unavailable="sync-k8s does not answer"))
    assert impacts(table).dry_runs == 0
    assert plain("The API server was not asked: Sync-k8s does not answer.") in words(at)
    at.toggle(key="impact_dry_run").set_value(True)
    click(run(at), SEE)
    assert impacts(table).dry_runs == 1


def test_rows_that_cannot_be_rendered_and_collisions_are_there_with_their_rows(table: FakeTable) -> None:
    at = seen(table)
    titles = "\n".join(one.label for one in at.expander)
    assert "2 rows, 1 of them can't be today, either" in titles
    assert plain("spec.name no such overload") in titles
    assert plain("Namespace acme in default") in titles
    links = [link.proto.label for link in at.main.get("page_link")]
    assert {"Row 8", "Row 9", "Row 30"} <= {*links}
    assert plain('quota: delete: null → "retain"') in words(at)


def test_of_very_many_shapes_some_are_drawn_and_the_others_counted(table: FakeTable) -> None:
    at = seen(table, replace(MUCH, groups=MUCH.groups[:1] * 60))
    assert "10 more shapes are in the Markdown below." in words(at)


def test_the_token_and_the_markdown_are_there_to_be_copied(table: FakeTable) -> None:
    at = seen(table)
    token = next(code.value for code in at.code if ".3.1980." in code.value)
    at.session_state["impact_markdown"] = True
    assert f"token: `{token}`" in words(run(at))


def test_that_nothing_changes_is_said(table: FakeTable) -> None:
    assert "Nothing changes: every row becomes what it is." in words(seen(table, NOTHING))


def test_without_rows_there_is_nothing_to_change(table: FakeTable) -> None:
    said = words(seen(table, replace(NOTHING, rows=0)))
    assert "There is no row yet that it could change." in said
    assert "Nothing changes" not in said


def test_what_was_seen_is_of_its_text_and_of_no_later_one(table: FakeTable) -> None:
    at = seen(table)
    at.text_area[0].set_value(EDITED)
    said = words(run(at))
    assert "see it again" in said
    assert "1,204 of 1,980" not in said


def test_the_text_is_the_one_that_was_tried_against_a_row(table: FakeTable) -> None:
    at = tab(table, "Try an edit")
    at.text_area[0].set_value(EDITED)
    run(at)
    at.session_state["renderer_tab"] = "Impact"
    assert run(at).text_area[0].value == EDITED
    assert click(at, "Back to what is applied").text_area[0].value == DECLARATION


def test_a_file_takes_the_place_of_the_text_and_one_that_is_no_text_is_refused(table: FakeTable) -> None:
    at = tab(table)
    at.file_uploader[0].set_value(("tenants.yaml", EDITED.encode(), "text/yaml"))
    assert run(at).text_area[0].value == EDITED
    at.file_uploader[0].set_value(("tenants.yaml", b"\xff", "text/yaml"))
    assert "The file is not UTF\\-8 text" in words(run(at))
    assert at.text_area[0].value == EDITED


def test_a_stored_revision_is_seen_by_its_number(table: FakeTable) -> None:
    table.tables.sources["tenants"].texts.append(EDITED)
    at = tab(table)
    at.segmented_control(key="impact_of").set_value("A stored revision")
    run(at).selectbox(key="impact_revision:tenants").set_value(1)
    click(run(at), SEE)
    assert impacts(table).asked == [(None, 1)]


def test_what_is_wrong_with_the_declaration_has_its_place(table: FakeTable) -> None:
    impacts(table).problems = (Problem("spec.name", "", "undefined field", 6, 9),)
    at = click(tab(table), SEE)
    assert [one.value for one in at.error] == [
        f"**{plain('spec.name, line 6, column 9')}** {plain('Undefined field.')}"
    ]


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (RefusedError(422, "No", errors=(FieldError("spec", "conflict", "it captures other columns"),)), "It captures"),
        (RefusedError(503, "Busy", "9 of 99 rows were seen in time"), "9 of 99 rows were seen in time."),
    ],
)
def test_what_crud_refuses_is_said_once_and_may_be_asked_again(
    table: FakeTable, refusal: RefusedError, said: str
) -> None:
    impacts(table).refusal = refusal
    at = click(tab(table), SEE)
    assert plain(said) in words(at)
    run(at)
    assert len(impacts(table).asked) == 1
    assert SEE in labels(at)


def test_a_crud_that_is_away_is_one_line(table: FakeTable) -> None:
    at = tab(table)
    button(at, SEE).click()
    table.down = DOWN
    assert plain(DOWN) in words(run(at))


def test_a_crud_without_impacts_says_so(table: FakeTable) -> None:
    table.tables.sources["tenants"].older = frozenset({"impact"})
    assert "older than the dashboard" in words(click(tab(table), SEE))


def test_the_call_sends_a_text_or_a_revision_also_for_who_may_only_look_and_waits_as_long_as_the_sidecar() -> None:
    asked: list[httpx.Request] = []
    crud = client({"seen": None, "problems": [], "markdown": None}, asked, Who("ada", "viewer"))
    crud.impact("a/b", text="spec: {}")
    crud.impact("tenants", revision=4, dry_run=True)
    first, second = asked
    assert first.url.raw_path == b"/renderers/a%2Fb:impact"
    assert (json.loads(first.content)["spec"], "revision" in json.loads(first.content)) == ("spec: {}", False)
    assert json.loads(second.content) == {"revision": 4, "sample": 5, "dry_run": True}
    assert first.extensions["timeout"] == {"connect": 2.0, "read": 29.0, "write": 29.0, "pool": 29.0}


def test_the_answer_is_read_with_what_all_rows_have_what_varies_and_what_the_api_server_says() -> None:
    group = {
        "action": "changed",
        "kind": "ResourceQuota",
        "manifest": "quota",
        "path": "spec.hard.pods",
        "change": "changed",
        "before": {"value": None},
        "after": {"varies": True},
        "rows": 2,
        "objects": 2,
        "examples": [{"key": "1", "object": "ResourceQuota a/quota", "before": None, "after": 3}],
    }
    refused = {"key": "1", "manifest": "quota", "message": "no"}
    seen = {
        "renderer": "tenants",
        "revision": 3,
        "captured_anew": False,
        "token": "abc.3.2.0",
        "rows": 2,
        "changed_rows": 2,
        "failed_rows": 1,
        "recovered_rows": 0,
        "objects": {"changed": 2},
        "settings": [{"manifest": "quota", "setting": "delete", "before": "delete", "after": "retain"}],
        "groups": [group, {**group, "dry_run": {"asked": 1, "refused": [refused]}}],
        "more_changes": 0,
        "errors": [{"path": "spec", "expression": "1", "message": "no", "rows": 1, "before": 0, "examples": ["2"]}],
        "more_errors": 0,
        "collisions": [{"object": "Namespace a", "environment": None, "keys": ["1", "2"]}],
        "more_collisions": 0,
        "collisions_looked_for_among": 4,
    }
    found = client({"seen": seen, "problems": [], "markdown": "# a"}).impact("tenants", revision=4)
    assert found.impact is not None
    plain_group, tried = found.impact.groups
    assert (plain_group.before, plain_group.after, plain_group.dry_run) == ({"value": None}, {"varies": True}, None)
    assert plain_group.examples[0].values == {"before": None, "after": 3}
    assert tried.dry_run is not None
    assert (tried.dry_run.asked, tried.dry_run.refused[0].message) == (1, "no")
    assert (found.markdown, found.impact.collisions[0].keys, found.impact.errors[0].examples) == (
        "# a",
        ("1", "2"),
        ("2",),
    )
