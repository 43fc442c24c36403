"""The room Proposals, run by Streamlit's own AppTest on the fake client."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from configurations.models import AppConfig, Draft
from login.identity import Roles
from proposals.manifests import MOST
from proposals.models import Change, Proposal
from shared.formatting import plain
from unit.ui.driver import button, click, fill, labels, offered, opened, run, words, write
from unit.ui.fakes.access import Policies
from unit.ui.fakes.client import FakeClient, FakeTable
from unit.ui.fakes.renderers import SHOP, tenants

ROOM = "Proposals"
POLICY = "p, anonymous, rows, *, */*, allow\n"
AGO = datetime.now(UTC) - timedelta(hours=2)
CHANGE = Change("appconfigs", "7", "checkout", "update", {"branch": ("main", "next")}, ("prod",))
OPEN = Proposal(9, "appconfigs", "open", ("prod",), "grace", AGO, (CHANGE,), ("grace",), "the new release")


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable()
    table.kept.proposals.append(OPEN)
    return table


def test_what_waits_is_shown_with_who_why_and_what_and_is_counted_on_the_way(table: FakeTable) -> None:
    table.policies.policy = POLICY
    at = opened(table, ROOM)
    said = words(at)
    assert "**grace** changes checkout of appconfigs" in said
    assert "the new release" in said
    assert "- branch: main\n+ branch: next" in said
    assert {"Approve", "Reject"} <= labels(at)
    assert "Withdraw" not in labels(at)
    assert "Proposals :blue-badge[1]" in [link.proto.label for link in at.get("page_link")]


def test_it_is_approved_in_the_name_of_who_clicks(table: FakeTable) -> None:
    click(click(opened(table, ROOM), "Approve"), "Approve it")
    assert table.kept.decided == [(9, "approve", "", "maria")]


def test_it_is_rejected_with_a_reason(table: FakeTable) -> None:
    at = write(click(opened(table, ROOM), "Reject"), "Why", "not on a Friday")
    click(at, "Reject it")
    assert table.kept.decided == [(9, "reject", "not on a Friday", "maria")]


def test_the_own_one_is_withdrawn_and_not_approved(table: FakeTable) -> None:
    table.kept.proposals[:] = [replace(OPEN, asked_by="maria", authors=("maria",))]
    at = opened(table, ROOM)
    assert "No proposal waits for you." in words(at)
    at.segmented_control[0].set_value("Open").run()
    assert "Approve" not in labels(at)
    click(click(at, "Withdraw"), "Withdraw it")
    assert table.kept.decided == [(9, "withdraw", "", "maria")]


def test_what_has_changed_since_is_said_before_it_is_decided(table: FakeTable) -> None:
    table.kept.proposals[:] = [replace(OPEN, outdated=("ada has changed appconfigs/checkout",))]
    assert plain("Ada has changed appconfigs/checkout.") in words(click(opened(table, ROOM), "Approve"))


def test_a_viewer_decides_nothing(table: FakeTable) -> None:
    assert not {"Approve", "Reject"} & offered(opened(table, ROOM, roles=Roles(default="viewer")))


def test_what_the_policy_does_not_allow_is_greyed_with_its_reason(table: FakeTable) -> None:
    table.policies.policy = "p, anonymous, rows, view, */*, allow\np, anonymous, rows, approve, */*, allow\n"
    at = opened(table, ROOM)
    assert offered(at) >= {"Reject", "Preview"}
    approve = button(at, "Approve")
    assert approve.disabled
    assert plain("You may not edit rows of appconfigs/prod: no line of the policy allows") in approve.help


def test_it_is_said_beforehand_that_a_change_is_a_proposal(table: FakeTable) -> None:
    assert "is a proposal" not in words(opened(table))
    table.policies.policy = f"{POLICY}approval, appconfigs/prod\n"
    assert "A change in prod is a proposal" in words(opened(table))


@pytest.mark.parametrize("way", ["edit", "delete", "many", "file", "row"])
def test_why_is_asked_where_a_change_is_a_proposal_and_goes_with_the_change(table: FakeTable, way: str) -> None:
    row = config(table)
    table.tables.sources.update(tenants().sources)
    table.policies = Policies(f"{POLICY}approval, */prod\n", ("appconfigs", "tenants"))
    query: dict[str, dict[str, str]] = {
        "edit": {"id": str(row.id)},
        "delete": {"id": str(row.id)},
        "row": {"renderer": "tenants", "key": "1"},
    }
    at = opened(table, "Rows" if way == "row" else "Configurations", query=query.get(way))
    if way == "delete":
        at = write(click(at, "Delete"), "Type the name to confirm", "checkout")
    elif way == "many":
        at.session_state["table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
        at = write(click(run(at), "Branch"), "New branch", "next")
    elif way == "file":
        at = click(at, "Import")
        at.text_area[0].set_value("name,repository_url,branch,environment\nnew,https://git.example/n.git,main,prod")
        run(at)
    elif way == "edit":
        fill(at, "Branch", "next")
    else:
        next(box for box in at.selectbox if box.label.startswith("plan")).set_value("free")
    fill(at, "Why", " the release of Thursday ")
    done = {"delete": "Delete it", "many": "Change 1", "file": "Import 1"}
    click(at, done.get(way, "Save"))
    assert set(table.comments) == {"the release of Thursday"}


def test_nobody_asks_why_where_no_change_is_a_proposal(table: FakeTable) -> None:
    table.policies.policy = POLICY
    at = opened(table, query={"id": str(config(table).id)})
    assert "Why" not in {field.label for field in at.text_input}


# What it would make of manifests


def config(table: FakeTable, environment: str = "prod") -> AppConfig:
    return FakeClient(table, "grace").create(Draft("checkout", "https://git.example/checkout.git", "main", environment))


def test_a_preview_shows_each_targets_difference_as_that_of_an_edit_does(table: FakeTable) -> None:
    row = config(table)
    table.answers.live[row.id, "k8s"] = (row, "7")
    table.answers.refusals["git"] = ("invalid", "the path is taken")
    table.kept.proposals[:] = [replace(OPEN, changes=(replace(CHANGE, key=str(row.id)),))]
    said = words(click(opened(table, ROOM), "Preview"))
    assert "-  branch: main\n+  branch: next" in said
    assert "+    rowcast.dev/updated-by: grace" in said
    assert "It would refuse this.** the path is taken" in said
    assert table.rows[row.id].branch == "main"


def test_who_approves_is_shown_the_manifests_and_why_there_are_none(table: FakeTable) -> None:
    at = click(opened(table, ROOM), "Approve")  # there is no row 7
    assert "It is gone meanwhile" in words(at)
    table.answers.unavailable["k8s"] = "sync-k8s does not answer"
    row = config(table)
    table.kept.proposals[:] = [replace(OPEN, changes=(replace(CHANGE, key=str(row.id)),))]
    assert "does not answer" in words(click(opened(table, ROOM), "Approve"))


def test_what_a_deletion_takes_is_shown_at_each_target(table: FakeTable) -> None:
    row = config(table)
    table.answers.live[row.id, "k8s"] = (row, "7")
    gone = Change("appconfigs", str(row.id), "checkout", "delete", {"branch": ("main", None)})
    table.kept.proposals[:] = [replace(OPEN, changes=(gone,))]
    at = click(opened(table, ROOM), "Preview")
    assert "-  branch: main" in words(at)
    assert "deletes it" in words(at)


def test_rows_of_any_table_are_rendered_before_and_after_and_many_are_bounded(table: FakeTable) -> None:
    table.tables.sources.update(tenants().sources)
    change = Change("tenants", "1", "shop", "update", {"plan": ("team", "enterprise")})
    made = Change("tenants", None, "new", "create", {name: (None, value) for name, value in SHOP.items()})
    other = Change("hosts", "1", "host", "update", {})
    table.kept.proposals[:] = [replace(OPEN, renderer="tenants", changes=(change, made, *[change] * (MOST - 1), other))]
    at = click(opened(table, ROOM), "Preview")
    differences = [code.value for code in at.code if code.value.startswith("--- before")]
    assert len(differences) == MOST
    assert re.search(r"^-.*team.*\n\+.*enterprise", differences[0], re.M)
    assert not re.search(r"^-[^-]", differences[1], re.M)
    assert "The manifests of 2 more rows are not shown." in words(at)
