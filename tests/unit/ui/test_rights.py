"""What one may do is what crud's policy says, and what one may not do says why."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner import RerunData, RerunException, get_script_run_ctx
from streamlit.testing.v1 import AppTest

from activity.models import AuditEntry
from app import Client
from client.errors import ProposedError
from configurations import detail_view, forms
from configurations.models import Draft
from login import drafts, tokens
from login.identity import Roles, Who
from unit.ui.driver import button, click, fill, labels, offered, run, words
from unit.ui.fakes.client import FakeClient, FakeTable
from unit.ui.fakes.renderers import tenants
from unit.ui.test_shell import AUTH

ADA = {"is_logged_in": True, "email": "ada@example.com", "email_verified": True, "name": "Ada", "iss": "https://login"}
POLICY = """\
p, role:developer, rows, view, */*, allow
p, role:developer, rows, edit, appconfigs/dev, allow
p, role:developer, reconciles, view, *, allow
g, ada@example.com, role:developer
"""
AUDITOR = f"{POLICY}p, role:developer, audit, view, *, allow\n"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _script() -> None:
    import streamlit as st

    import app

    app.page(st.session_state["connect"], "maria", st.session_state["room"], st.session_state["roles"])


def opened(table: FakeTable, room: str = "Configurations", roles: Roles | None = None, **user: Any) -> AppTest:
    """A room as Ada has it, who has logged in; `user` is what her login says beside."""
    connect: Callable[[Callable[[], Who]], Client] = lambda who: FakeClient(table, who)  # noqa: E731
    at = AppTest.from_function(_script, default_timeout=60)
    at.secrets["auth"] = AUTH
    at.user = {**ADA, "iat": time.time(), **user}
    for key, value in (("connect", connect), ("room", room), ("roles", roles)):
        at.session_state[key] = value
    return at


def one(table: FakeTable, row_id: int, **user: Any) -> AppTest:
    at = opened(table, **user)
    at.query_params["id"] = str(row_id)
    return run(at)


def jwt(**claims: Any) -> str:
    return ".".join(("e30", base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), "c2ln"))


@pytest.fixture
def table() -> FakeTable:
    """Two configurations, the first in dev."""
    table = FakeTable()
    for name, environment in (("alpha", "dev"), ("beta", "prod")):
        FakeClient(table).create(Draft(name, f"https://git.example/{name}.git", "main", environment))
    table.policies.policy = POLICY
    return table


@pytest.fixture(autouse=True)
def _own_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "DRAFTS", drafts.Drafts())


def test_where_a_policy_is_in_force_it_decides_and_the_dashboards_lists_do_not(table: FakeTable) -> None:
    for roles in (Roles("viewer"), Roles("editor")):
        at = run(opened(table, roles=roles))
        assert "New configuration" in offered(at)
        assert "Read only" not in words(at)
        assert "Dry run" not in offered(run(opened(table, "Reconcile", roles)))


def test_what_one_may_is_by_environment_and_what_one_may_not_says_why(table: FakeTable) -> None:
    assert "Save" in offered(one(table, 1))
    prod = one(table, 2)
    assert {"Save", "Delete"} & labels(prod) == {"Save", "Delete"}
    assert not {"Save", "Delete"} & offered(prod)
    assert "You may not edit rows of appconfigs/prod: no line of the policy allows it." in words(prod).replace("\\", "")
    assert "may not delete rows of appconfigs" in button(prod, "Delete").help.replace("\\", "")
    assert all(field.disabled for field in prod.text_input)


def test_a_row_of_any_table_is_changed_where_its_environment_allows_it(table: FakeTable) -> None:
    table.tables = tenants()
    table.policies.renderers = ("appconfigs", "tenants")
    table.policies.policy = f"{POLICY}p, role:developer, rows, edit, tenants/dev, allow\n"
    rows = table.tables.sources["tenants"].rows
    for environment, may in (("dev", True), ("prod", False)):
        rows["1"] = replace(rows["1"], environment=environment)
        at = opened(table, "Rows")
        at.query_params.update({"renderer": "tenants", "key": "1"})
        assert ("Save" in offered(run(at))) is may
    assert "may not edit rows of tenants/prod" in words(at).replace("\\", "")


def test_of_ticked_rows_one_that_one_may_not_change_says_so(table: FakeTable) -> None:
    at = opened(table)
    at.session_state["table"] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    assert not {"Branch", "Delete"} & offered(run(at))


def test_a_line_that_denies_is_named(table: FakeTable) -> None:
    table.policies.policy = f"{POLICY}p, ada@example.com, rows, edit, */dev, deny\n"
    assert "line 5 denies it" in words(one(table, 1))


def test_a_right_that_is_taken_away_is_gone_with_the_next_look(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = one(table, 1)
    assert "Save" in offered(at)
    table.policies.policy = POLICY.replace("edit", "delete")
    assert "Save" in offered(run(at))
    looked = time.monotonic()
    monkeypatch.setattr("access.rights.time.monotonic", lambda: looked + 60)
    assert "Save" not in offered(run(at))


def test_while_crud_is_away_what_it_said_last_counts(table: FakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    at = one(table, 2)
    table.policies.down = True
    looked = time.monotonic()
    monkeypatch.setattr("access.rights.time.monotonic", lambda: looked + 60)
    assert "Save" not in offered(run(at))


def test_a_crud_that_knows_no_policy_leaves_it_to_the_lists(table: FakeTable) -> None:
    table.policies.old = True
    assert "New configuration" in offered(run(opened(table, roles=Roles("editor"))))
    assert "New configuration" not in offered(run(opened(table, roles=Roles("viewer"))))


def test_who_may_not_see_the_pipeline_is_told_so(table: FakeTable) -> None:
    at = run(opened(table, "Pipeline"))
    assert "may not view pipeline" in words(at)
    table.policies.policy = f"{POLICY}p, role:developer, pipeline, view, *, allow\n"
    assert "may not view" not in words(run(opened(table, "Pipeline")))


def test_settings_say_whom_crud_takes_one_for_and_what_one_may(table: FakeTable) -> None:
    at = run(opened(table, "Settings"))
    said = words(at).replace("\\", "")
    assert "crud takes you for ada@example.com, by the dashboard's word." in said
    assert "line 2: p, role:developer, rows, edit, appconfigs/dev, allow" in said
    assert "view, edit in some environments" in list(at.dataframe[0].value["You may"])


def test_a_change_that_another_has_to_approve_is_said_to_be_kept(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proposed(*_: object) -> None:
        raise ProposedError(9)

    monkeypatch.setattr(FakeClient, "update", proposed)
    at = one(table, 1)
    fill(at, "Branch", "next")
    assert "number 9" in click(at, "Save").info[0].value


# The login's token


def test_a_token_that_crud_takes_decides_what_one_may(table: FakeTable) -> None:
    table.policies.people["good"] = "ci:ada"
    table.policies.policy = f"{POLICY}p, ci:ada, rows, edit, appconfigs/*, allow\n"
    assert "Save" in offered(one(table, 2, tokens={"id": "good"}))
    assert "Save" not in offered(one(table, 2))
    assert "of https://login.example.com" in words(run(opened(table, "Settings", tokens={"id": "good"}))).replace(
        "\\", ""
    )


def test_a_token_is_shown_to_no_crud_without_a_policy(table: FakeTable) -> None:
    table.policies.policy, table.policies.people = None, {"good": "ci:ada"}
    run(opened(table, tokens={"id": "good"}))
    assert table.policies.asked == [""]


def test_a_token_that_has_expired_is_said_so_and_the_dashboards_word_goes_on(table: FakeTable) -> None:
    old = jwt(exp=time.time() - 60)
    table.policies.people[old] = "ci:ada"
    at = one(table, 1, tokens={"id": old})
    assert "Your login's token expired at" in words(at).replace("\\", "")
    assert {"Save", "Log in again"} <= offered(at)
    assert old not in table.policies.asked


def test_a_token_that_crud_does_not_take_is_said_so_with_its_reason(table: FakeTable) -> None:
    at = one(table, 1, tokens={"id": "foreign"})
    assert "its issuer is none of ROWCAST_ISSUERS" in words(at).replace("\\", "")
    assert {"Save", "Log in again"} <= offered(at)


def test_where_crud_believes_nothing_but_a_token_one_is_asked_to_log_in_again(table: FakeTable) -> None:
    table.policies.believed = False
    at = run(opened(table, tokens={"id": jwt(exp=0)}))
    assert labels(at) == {"Log in", "Log out"}
    assert "token expired" in at.warning[0].value


@pytest.mark.parametrize("text", ["", "opaque", "a.b", "a.!.c", "a.e30.c", "a.bnVsbA.c", jwt(exp="x"), jwt(exp=1e300)])
def test_what_is_no_token_with_an_end_never_expires_here(text: str) -> None:
    assert tokens.expires_at(text) is None


def test_of_the_tokens_that_are_exposed_the_one_for_an_api_is_shown() -> None:
    assert tokens.exposed({"id": "i", "access": "a"}) == "a"
    assert tokens.exposed({"id": "i"}) == "i"
    assert tokens.exposed({"id": 7}) == tokens.exposed(None) == ""


# What was typed when the login ended


def ended(table: FakeTable) -> AppTest:
    """The page of a person whose login ended while they were typing."""
    at = one(table, 1)
    fill(at, "Branch", "half-typed")
    run(at)
    at.user = {**at.user, "iat": 0}
    return run(at)


def test_a_login_that_ends_while_one_types_loses_nothing(table: FakeTable) -> None:
    at = ended(table)
    assert labels(at) == {"Log in"}
    assert "ROWCAST\\_LOGIN\\_HOURS" in at.warning[0].value
    assert "What you typed is kept" in words(at)
    # Somebody saves meanwhile: what was typed is still about what was seen then.
    FakeClient(table).update(1, Draft("alpha", "https://git.example/alpha.git", "theirs", "dev"), 1)
    back = run(opened(table))
    assert "half-typed" not in words(back)
    click(back, "Go on with it")
    [branch] = [field for field in back.text_input if field.label == "Branch"]
    assert branch.value == "half-typed"
    assert branch.proto.set_value
    assert "Go on with it" not in labels(back)
    click(back, "Save")
    assert "saved generation 2" in words(back)


def test_what_is_gone_on_with_is_there_though_the_browser_interrupts_the_first_run(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(table)
    back = run(opened(table))
    drawn = forms.fields
    interrupted: list[bool] = []

    def fields(*args: Any, **kwargs: Any) -> forms.Form:
        form = drawn(*args, **kwargs)
        if not interrupted:
            interrupted.append(True)
            context = get_script_run_ctx()
            assert context is not None
            again = RerunData(
                query_string="id=1", page_script_hash=context.page_script_hash, widget_states=WidgetStates()
            )
            raise RerunException(again)
        return form

    monkeypatch.setattr(forms, "fields", fields)
    click(back, "Go on with it")
    [branch] = [field for field in back.text_input if field.label == "Branch"]
    assert (interrupted, branch.value, branch.proto.set_value) == ([True], "half-typed", True)


def test_who_goes_on_and_is_logged_out_once_more_loses_nothing(table: FakeTable) -> None:
    ended(table)
    back = click(run(opened(table)), "Go on with it")
    back.user = {**back.user, "iat": 0}
    assert "What you typed is kept" in words(run(back))
    again = click(run(opened(table)), "Go on with it")
    assert [field.value for field in again.text_input if field.label == "Branch"] == ["half-typed"]


def test_who_has_only_looked_is_offered_nothing(table: FakeTable) -> None:
    at = one(table, 1)
    at.user = {**at.user, "iat": 0}
    assert "What you typed is kept" not in words(run(at))
    assert "Go on with it" not in labels(run(opened(table)))


def test_what_is_typed_into_a_page_that_failed_further_down_is_kept(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("further down")

    with monkeypatch.context() as broken:
        broken.setattr(detail_view, "_dialogs", failing)
        at = opened(table)
        at.query_params["id"] = "1"
        assert at.run().exception
    fill(at, "Branch", "half-typed")
    run(at)
    at.user = {**at.user, "iat": 0}
    assert "What you typed is kept" in words(run(at))


def test_what_was_typed_is_offered_to_nobody_else(table: FakeTable) -> None:
    ended(table)
    assert "Go on with it" not in labels(run(opened(table, email="eve@example.com")))
    assert "Go on with it" not in labels(run(opened(table, email_verified=False)))


def test_what_is_discarded_is_gone(table: FakeTable) -> None:
    ended(table)
    back = click(run(opened(table)), "Discard it")
    assert "Go on with it" not in labels(back)
    assert "Go on with it" not in labels(run(opened(table)))


def test_what_is_kept_has_an_end_and_a_limit() -> None:
    clock = [0.0]
    kept = drafts.Drafts(lambda: clock[0])
    for number in range(drafts.MOST + 1):
        assert kept.keep(f"p{number}", "Rows", {}, {"row:a": "x"})
    assert kept.of("p0") is None
    assert kept.of("p1") is not None
    assert not kept.keep("p1", "Rows", {}, {"import_text": "x" * (drafts.MOST_CHARACTERS + 1)})
    clock[0] = drafts.HOURS * 3600.0
    assert kept.of("p1") is None


# The audit


def entry(number: int, **changes: Any) -> AuditEntry:
    given = {"subject": "bob@example.com", "person": "Bob", "verified": True, "outcome": "done", "way": "token"}
    path = {"act": "rows/edit", "operation": "updateAppConfig", "path": "/appconfigs/7", "renderer": "appconfigs"}
    return AuditEntry(number, NOW, **{**given, **path, "environments": ("prod",), **changes})


def audit(table: FakeTable) -> AppTest:
    at = run(opened(table, "Activity"))
    at.segmented_control(key="activity_kind").set_value("Audit")
    return run(at)


def test_the_audit_tells_who_was_refused_what_by_which_way_and_why(table: FakeTable) -> None:
    table.policies.policy = AUDITOR
    why = "line 3 denies it"
    refused = entry(2, outcome="refused", why=why, issuer="https://ci", request_id="r-1", verified=False)
    table.operations.audit = (refused, entry(1))
    said = words(audit(table)).replace("\\", "")
    assert "**Bob** rows/edit" in said
    assert "bob@example.com by https://ci, whom nobody vouches for; with a token." in said
    assert "updateAppConfig, /appconfigs/7, request r-1" in said
    assert ":red[line 3 denies it]" in said


def test_the_audit_is_searched_by_person_place_outcome_and_request(table: FakeTable) -> None:
    table.policies.policy = AUDITOR
    table.operations.audit = (entry(2, outcome="refused", request_id="r-1"), entry(1, person="Cleo", subject="cleo"))
    at = audit(table)
    for label, value, found, gone in (
        ("Person", "cleo", "Cleo", "Bob"),
        ("Person", "bob@example.com", "Bob", "Cleo"),
        ("Request", "r-1", "Bob", "Cleo"),
    ):
        fill(at, label, value)
        run(at)
        assert f"**{found}**" in words(at)
        assert f"**{gone}**" not in words(at)
        fill(at, label, "")
    fill(at, "Environment", "dev")
    assert "Nothing matches." in words(run(at))
    click(at, "Clear the filters")
    assert "**Bob**" in words(at)


def test_an_audit_without_an_entry_says_what_will_be_there(table: FakeTable) -> None:
    table.policies.policy = AUDITOR
    assert "Every change and every refusal will be here" in words(audit(table))


def test_who_may_not_see_the_audit_is_told_so(table: FakeTable) -> None:
    table.operations.audit = (entry(1),)
    said = words(audit(table)).replace("\\", "")
    assert "You may not view audit of everything: no line of the policy allows it." in said
    assert "Bob" not in said
