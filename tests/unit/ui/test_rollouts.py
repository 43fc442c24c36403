"""Roll-outs in the room Renderers, run by Streamlit's own AppTest on the fake client, and their calls."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from client.errors import FieldError, RefusedError
from login.identity import Roles
from rollouts import words as rollout_words
from rollouts.models import RolloutDraft, RolloutRow, RolloutState, Step, StepDraft
from shared.formatting import plain
from unit.ui.driver import DOWN, button, click, fill, labels, offered, opened, run, words
from unit.ui.fakes.client import FakeTable
from unit.ui.fakes.renderers import tenants
from unit.ui.fakes.rollouts import NOW, WORDS, FakeRollouts, half_way
from unit.ui.test_operations_calls import client

VIEWER = Roles("viewer")
LIST, ONE = {"name": "tenants"}, {"name": "tenants", "rollout": "3"}
ROLL_OUT, START = "Roll out a revision", "Start it"


@pytest.fixture
def table() -> FakeTable:
    found = FakeTable(tables=tenants())
    kept(found).rows = [
        RolloutRow("17", 1, 4, "failed", "acme", "prod", WORDS, "k8s"),
        *(RolloutRow(f"{number}", 1, 4, "pending", f"shop-{number}", "prod") for number in range(100, 125)),
    ]
    return found


def kept(table: FakeTable) -> FakeRollouts:
    return table.tables.sources["tenants"].rollouts


def tab(table: FakeTable, roles: Roles | None = None) -> AppTest:
    at = opened(table, "Renderers", roles, query=LIST)
    at.session_state["renderer_tab"] = "Roll-outs"
    return run(at)


def one(table: FakeTable, state: RolloutState = "running", why: str | None = None, **more: Roles) -> AppTest:
    kept(table).items[3] = half_way(3, state, why)
    return opened(table, "Renderers", query=ONE, **more)


def progress(at: AppTest) -> list[str]:
    return [bar.proto.text for bar in at.main.get("progress")]


def dialog(at: AppTest) -> AppTest:
    return click(at, ROLL_OUT)


def test_without_any_the_tab_says_how_to_begin(table: FakeTable) -> None:
    said = words(tab(table))
    assert "No revision was rolled out in steps yet" in said
    assert "rowcast renderer apply --no-assign tenants.yaml" in said


def test_the_list_has_the_newest_first_with_how_far_it_is_and_leads_to_each(table: FakeTable) -> None:
    kept(table).items = {2: half_way(2, "stopped", WORDS), 3: half_way()}
    at = tab(table)
    assert [one.label for one in at.button if "Roll-out" in one.label] == ["**Roll-out 3**", "**Roll-out 2**"]
    assert progress(at) == ["1 of 3 steps, 304 of 500 rows ready, 1 failed"] * 2
    assert plain(f"{WORDS}.") in [error.value for error in at.error]
    click(at, "**Roll-out 2**")
    assert at.title[0].value == "Roll\\-out 2 of tenants"
    click(at, "Roll\\-outs of tenants")
    assert "**Roll-out 3**" in labels(at)


def test_a_crud_without_roll_outs_and_one_that_is_away_say_so(table: FakeTable) -> None:
    table.tables.sources["tenants"].older = frozenset({"rollouts"})
    at = tab(table)
    assert "This crud has no roll-outs" in words(at)
    table.down = DOWN
    assert plain(DOWN) in words(run(at))


def test_one_is_started_in_the_steps_that_were_asked_for(table: FakeTable) -> None:
    at = dialog(tab(table))
    at.number_input(key="step:0:rows").set_value(5)
    at.selectbox(key="step:1:kind").set_value("Filter")
    run(at)
    assert "Step 2 has no filter yet." in words(at)
    assert button(at, START).disabled
    fill(at, "Value of step 2", "environment == 'staging'")
    at.number_input(key="rollout_hold").set_value(120)
    at.number_input(key="rollout_failures").set_value(3)
    said = words(run(at))
    assert (
        plain("Revision 1 goes to 1 row in 3 steps: 5 rows → rows where environment == 'staging' → all rows.") in said
    )
    click(at, START)
    steps = (StepDraft(rows=5), StepDraft(filter="environment == 'staging'"))
    assert kept(table).started == [RolloutDraft(1, steps, 120, 3, 600)]
    assert at.query_params["rollout"] in ("1", ["1"])
    assert at.title[0].value == "Roll\\-out 1 of tenants"


def test_steps_are_added_and_taken_away_and_none_is_one_of_all_rows(table: FakeTable) -> None:
    at = click(dialog(tab(table)), "Add a step")
    assert plain("10 rows → 25 % of all rows → 50 % of all rows → all rows.") in words(at)
    for _ in range(3):
        click(at, "Remove")
    assert plain("Revision 1 goes to 1 row in 1 step: all rows.") in words(at)
    click(at, START)
    assert kept(table).started[0].steps == ()


def test_what_its_impact_says_is_there_and_what_deletes_objects_is_to_be_agreed_to(table: FakeTable) -> None:
    at = dialog(tab(table))
    assert "Nobody has looked at its impact" in words(at)
    click(at, "See its impact first")
    assert at.selectbox(key="impact_revision:tenants").value == 1
    click(at, "See the impact")
    at.session_state["renderer_tab"] = "Roll-outs"
    at = dialog(run(at))
    assert plain("1,204 of 1,980 rows would change") in words(at)
    assert button(at, START).disabled
    at.checkbox(key="rollout_meant").check()
    at.number_input(key="rollout_changed").set_value(20)
    click(run(at), START)
    (draft,) = kept(table).started
    assert draft.token is not None
    assert draft.token.endswith(".3.1980.1795948800.123456")
    assert draft.changed_limit == 20


def test_what_crud_refuses_is_said_with_its_step_and_what_was_typed_stays(table: FakeTable) -> None:
    errors = (FieldError("body.steps[1].filter", "expression", "undefined field 'regoin'"),)
    kept(table).refusal = RefusedError(422, "Unprocessable Content", "the request is not valid", errors)
    at = click(dialog(tab(table)), START)
    said = plain("Undefined field 'regoin'.")
    assert [error.value for error in at.error] == [f"**Step 2 filter** {said}"]
    kept(table).refusal = RefusedError(409, "Conflict", "roll-out 3 of tenants is running: end it first")
    assert plain("Roll-out 3 of tenants is running: end it first.") in words(click(at, START))


def test_one_shows_its_steps_its_failed_rows_and_in_whose_words(table: FakeTable) -> None:
    at = one(table)
    assert progress(at) == [
        "1 of 3 steps, 304 of 500 rows ready, 1 failed",
        "10 of 10 have the revision, 10 delivered, 10 ready",
        "490 of 490 have the revision, 300 delivered, 294 ready, 1 failed",
    ]
    said = words(at)
    assert plain("rows where environment == 'staging'") in said
    assert plain("12 rows had changed since its impact was seen.") in said
    assert [error.value for error in at.error] == [f"**Kubernetes:** {plain(f'{WORDS}.')}"]
    links = {link.proto.label: link.proto.query_string for link in at.main.get("page_link")}
    assert links["Row 17"] == "renderer=tenants&key=17"


def test_rows_on_their_way_are_seen_page_by_page(table: FakeTable) -> None:
    at = one(table)
    at.segmented_control[0].set_value("pending")
    run(at)
    assert "Row 119" in {link.proto.label for link in at.main.get("page_link")}
    click(at, "Next")
    assert "Row 120" in {link.proto.label for link in at.main.get("page_link")}
    at.segmented_control[0].set_value("ready")
    assert "None of its rows is ready yet." in words(run(at))


def test_it_is_paused_once_that_was_confirmed(table: FakeTable) -> None:
    at = click(one(table), "Pause")
    assert plain("500 rows have revision 2 by roll-out 3.") in words(at)
    assert kept(table).told == []
    click(at, "Pause it")
    assert kept(table).told == [(3, "pause", None)]
    assert {"Resume", "Roll back", "Abort"} <= labels(at)
    assert "Pause" not in labels(at)


def test_one_that_has_stopped_says_why_and_is_resumed_with_another_limit(table: FakeTable) -> None:
    at = one(table, "stopped", f"2 rows have failed, and the limit is 1; {WORDS}")
    assert any(plain("the limit is 1") in error.value for error in at.error)
    click(at, "Resume")
    at.number_input(key="rollout_limit").set_value(5)
    click(run(at), "Resume it")
    assert kept(table).told == [(3, "resume", 5)]


def test_what_makes_no_sense_is_said_and_nothing_is_done(table: FakeTable) -> None:
    at = click(one(table, "done"), "Roll back")
    kept(table).refusal = RefusedError(409, "Conflict", "only the newest can be rolled back")
    assert plain("Only the newest can be rolled back.") in words(click(at, "Roll back it"))


def test_who_may_only_look_sees_all_and_is_offered_nothing(table: FakeTable) -> None:
    at = one(table, roles=VIEWER)
    assert not offered(at) & {"Pause", "Resume", "Roll back", "Abort"}
    assert "**Roll-out 3**" in labels(tab(table, VIEWER))
    assert ROLL_OUT not in offered(tab(table, VIEWER))


def test_one_that_is_not_there_leads_back(table: FakeTable) -> None:
    at = opened(table, "Renderers", query={"name": "tenants", "rollout": "9"})
    assert plain("Tenants has no roll-out 9.") in words(at)
    at = opened(table, "Renderers", query={"name": "tenants", "rollout": "x"})
    assert at.title[0].value == "tenants"


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("running", ("pause", "rollback", "abort")),
        ("holding", ("pause", "rollback", "abort")),
        ("paused", ("resume", "rollback", "abort")),
        ("stopped", ("resume", "rollback", "abort")),
        ("aborted", ("rollback",)),
        ("done", ("rollback",)),
        ("rolling-back", ("abort",)),
        ("rolled-back", ()),
    ],
)
def test_what_is_offered_makes_sense_in_its_state(state: RolloutState, offered: tuple[str, ...]) -> None:
    assert rollout_words.actions(half_way(1, state)) == offered


def test_how_far_a_step_is() -> None:
    minute = NOW + timedelta(minutes=5)
    assert rollout_words.counts(Step(filter="true", state="assigning")) == "Its rows are not known yet"
    assert rollout_words.counts(Step(filter="true", assigned=3)) == "3 have the revision"
    assert rollout_words.share(Step(rows=1, state="done", total=0)) == 1
    assert rollout_words.counts(Step(rows=1, state="done", total=0)) == "No row was left for it"
    assert rollout_words.at(Step(state="holding", since=NOW), minute) == "its rows do well; holds, for 5 min"
    assert rollout_words.at(Step(state="done", since=NOW), minute) == "done, 5 min ago"
    assert "first failed row stops it" in rollout_words.limits(replace(half_way(), failure_limit=0))


def test_the_calls_send_what_was_asked_for_and_read_what_crud_answers() -> None:
    asked: list[httpx.Request] = []
    step = {"rows": None, "share": 25.0, "filter": None, "state": "delivering", "total": 4, "assigned": 4}
    content = {
        "id": 3,
        "renderer": "tenants",
        "revision": 2,
        "from_revisions": [1],
        "state": "stopped",
        "why": "1 row has failed",
        "started_by": "ada",
        "started_at": "2026-01-02T03:04:05Z",
        "changed_at": "2026-01-02T03:04:05Z",
        "hold_seconds": 60,
        "failure_limit": 0,
        "steps": [{**step, "delivered": 3, "ready": 2, "failed": 1, "since": "2026-01-02T03:04:05Z"}],
        "impact_token": None,
        "changed_since": None,
    }
    crud = client(content, asked)
    draft = RolloutDraft(2, (StepDraft(share=25),), 60, 0)
    started = crud.start_rollout("tenants", draft)
    assert (started.why, started.steps[0].failed, started.steps[0].since) == ("1 row has failed", 1, NOW)
    assert json.loads(asked[0].content) == {
        "revision": 2,
        "steps": [{"share": 25}],
        "hold_seconds": 60,
        "failure_limit": 0,
    }
    crud.tell_rollout("tenants", 3, "resume", 5)
    crud.tell_rollout("tenants", 3, "rollback")
    assert [(one.url.path, one.content) for one in asked[1:]] == [
        ("/renderers/tenants/rollouts/3:resume", b'{"failure_limit":5}'),
        ("/renderers/tenants/rollouts/3:rollback", b""),
    ]
    row = {"key": "17", "name": None, "environment": None, "step": 0, "generation": 4, "state": "failed"}
    crud = client({"items": [{**row, "message": WORDS, "target": "k8s"}], "next_cursor": "x"}, asked)
    page = crud.rollout_rows("tenants", 3, "failed")
    assert (page.items[0].message, page.next_cursor) == (WORDS, "x")
    assert dict(asked[-1].url.params) == {"state": "failed", "limit": "20"}
