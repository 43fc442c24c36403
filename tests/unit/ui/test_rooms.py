"""The rooms beside the configurations, run by Streamlit's own AppTest on the fake that ships beside the port."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activity.models import Activity
from dead_letters.models import Letter
from login.identity import Roles
from pipeline.models import Station
from reconcile.models import Difference, Run, TargetRuns
from shared.formatting import plain
from unit.ui.driver import DOWN, button, click, labels, offered, opened, run, words
from unit.ui.fakes.client import FakeTable
from unit.ui.fakes.operations import NOW, with_station, with_tenants

PLAN = (
    Difference("orphaned", "appconfigs/9", 1, "old", "", "the table has no such row"),
    Difference(
        "different", "appconfigs/1", 2, "checkout", "prod", "was edited there", "--- live\n+++ table\n-branch: hotfix"
    ),
    Difference("missing", "appconfigs/2", 1, "cart", "dev", "is not there"),
)
DRY = Run("request", True, "done", NOW, NOW, 3, 3, None, 3, 3, {"missing": 1, "different": 1, "orphaned": 1}, PLAN)


@pytest.fixture
def table() -> FakeTable:
    table, now = FakeTable(), datetime.now(UTC)

    def change(number: int, who: str, name: str, kind: str, **more: Any) -> Activity:
        return Activity(number, number, name, "prod", 2, kind, now - timedelta(minutes=9 - number), who, **more)

    table.operations.activity = (
        change(3, "ada", "cart", "updated", fields={"branch": ("main", "next")}, outcomes={"git": "pending"}),
        change(2, "grace", "checkout", "deleted", outcomes={"k8s": "failed"}),
        change(1, "ada", "search", "created", outcomes={"k8s": "synced", "git": "synced"}),
    )
    return table


def test_activity_tells_who_did_what_to_which_row_and_what_became_of_it(table: FakeTable) -> None:
    found = words(opened(table, "Activity"))
    assert "**ada** changed" in found
    assert "branch **main** → **next**" in found
    assert "Git pending" in found
    assert "**grace** deleted" in found
    assert "Kubernetes failed" in found


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [
        ("activity_person", "grace", {"grace"}),
        ("activity_change", "created", {"ada"}),
        ("activity_outcome", "failed", {"grace"}),
    ],
)
def test_a_filter_narrows_the_activity(table: FakeTable, key: str, value: str, left: set[str]) -> None:
    at = opened(table, "Activity")
    at.selectbox(key=key).set_value(value)
    found = words(run(at))
    assert {who for who in ("ada", "grace") if f"**{who}**" in found} == left
    assert len([text for text in at.markdown if " **" in text.value and "material" in text.value]) == 1


def test_activity_that_nothing_matches_offers_to_clear_the_filters(table: FakeTable) -> None:
    at = opened(table, "Activity")
    at.text_input(key="activity_name").set_value("nothing is called so")
    assert "Nothing matches." in words(run(at))
    assert "**ada** changed" in words(click(at, "Clear the filters"))


def test_activity_before_anything_has_happened_says_so() -> None:
    assert "Nothing has happened yet" in words(opened(FakeTable(), "Activity"))


def test_older_activity_is_a_page_away(table: FakeTable) -> None:
    first = table.operations.activity[0]
    table.operations.activity = tuple(replace(first, id=n, changed_by=f"p{n}") for n in range(30))
    at = opened(table, "Activity")
    assert "**p0**" in words(at)
    assert "**p29**" in words(click(at, "Older"))
    assert "**p0**" in words(click(at, "Newer"))


def test_the_pipeline_says_what_is_wrong_what_to_do_and_where_to_read_on(table: FakeTable) -> None:
    table.operations.pipeline = with_station(
        table.operations.pipeline,
        "target-k8s",
        state="down",
        message="connection refused",
        action="mend it",
        page="docs/how-to/watch-the-pipeline.md#target-down",
    )
    at = opened(table, "Pipeline")
    assert "The way is interrupted." in words(at)
    (error,) = at.error
    assert error.value.startswith(f"**Kubernetes API**: {plain('Connection refused.')}  \n{plain('Mend it.')}")
    assert "docs/how-to/watch-the-pipeline.md#target-down" in error.value


def test_the_pipeline_has_the_words_of_the_engine_behind_git(table: FakeTable) -> None:
    said = "1 row refused: admission webhook denied it"
    way = table.operations.pipeline
    engine = Station("engine-git", "GitOps engine of git", "degraded", said, "mend the row, or what refuses it")
    table.operations.pipeline = replace(way, state="degraded", stations=(*way.stations, engine))
    (warning,) = opened(table, "Pipeline").warning
    assert warning.value.startswith(f"**GitOps engine of Git**: {plain(said)}")


def test_the_pipeline_has_a_line_for_each_renderer(table: FakeTable) -> None:
    table.operations.pipeline = with_tenants()

    at = opened(table, "Pipeline")

    shown = next(one.value for one in at.dataframe if "Renderer" in one.value)
    assert list(shown["Renderer"]) == ["appconfigs", "tenants"]
    assert list(shown["Waits longest"]) == ["", "acme, for 1 min"]


def test_a_pipeline_that_is_well_says_only_that(table: FakeTable) -> None:
    at = opened(table, "Pipeline")
    assert "Everything on the way is well." in words(at)
    assert not at.error
    assert not at.warning


@pytest.mark.parametrize("room", ["Activity", "Pipeline", "Reconcile"])
def test_a_service_that_is_down_is_one_line_with_a_retry(table: FakeTable, room: str) -> None:
    table.down = DOWN
    at = opened(table, room)
    assert [error.value for error in at.error] == [plain(DOWN)]
    table.down = None
    assert not click(at, "Retry").error


def test_settings_tell_the_role_and_outlast_a_service_that_is_down(table: FakeTable) -> None:
    table.down = DOWN
    found = words(opened(table, "Settings"))
    assert "**maria**" in found
    assert "You may change configurations" in found
    assert plain(DOWN) in found


def test_settings_show_what_the_services_tell(table: FakeTable) -> None:
    facts = {"reconcile": {"period_seconds": 300, "drift": "report"}, "started_at": "2026-01-02T03:04:05.1+00:00"}
    table.operations.pipeline = with_station(table.operations.pipeline, "sync-git", facts=facts)
    shown = opened(table, "Settings").dataframe[0].value
    assert list(shown["Value"]) == ["5 min", "reported only", "2026-01-02 03:04:05"]
    assert set(shown["Part"]) == {"Sync to Git"}


def test_a_dry_run_is_asked_for_the_chosen_target_and_watched(table: FakeTable) -> None:
    at = opened(table, "Reconcile")
    at.segmented_control(key="reconcile_target").set_value("git")
    click(run(at), "Dry run")
    assert table.operations.started == [("git", True, None)]
    assert button(at, "Dry run").disabled
    table.operations.runs["git"] = TargetRuns("git", last=DRY)
    assert "3 rows in the table, 3 at the target" in words(run(at))


def test_a_plan_is_shown_with_its_differences_and_run_after_a_confirmation(table: FakeTable) -> None:
    table.operations.runs["k8s"] = TargetRuns("k8s", last=DRY)
    at = opened(table, "Reconcile")
    plan = at.dataframe[0].value
    assert [action[0] for action in plan["Action"]] == ["prune", "correct", "create"]
    assert [metric.value for metric in at.metric] == ["1", "1", "1"]
    assert "-branch: hotfix" in at.code[0].value
    click(at, "Run it")
    assert table.operations.started == []
    assert "**create 1, correct 1, prune 1**" in words(at)
    click(at, "Reconcile now")
    assert table.operations.started == [("k8s", False, None)]


def test_without_a_plan_there_is_nothing_to_run(table: FakeTable) -> None:
    assert button(opened(table, "Reconcile"), "Run it").disabled
    table.operations.runs["k8s"] = TargetRuns("k8s", last=replace(DRY, counts={"missing": 0}, plan=()))
    at = opened(table, "Reconcile")
    assert button(at, "Run it").disabled
    assert "The target holds what the table says." in words(at)


def test_a_refusal_says_why_and_wants_a_word_before_it_prunes(table: FakeTable) -> None:
    said = "would prune 40 of 100 rows"
    refused = replace(DRY, state="refused", error=said, counts={"missing": 0, "different": 0, "orphaned": 40})
    table.operations.runs["k8s"] = TargetRuns("k8s", last=refused)
    at = opened(table, "Reconcile")
    assert "Refused, nothing was done." in words(at)
    assert plain(said) in words(at)
    click(at, "Run it")
    assert button(at, "Reconcile now").disabled
    at.checkbox(key="prune_all").check()
    click(run(at), "Reconcile now")
    assert table.operations.started == [("k8s", False, 1.0)]


def test_a_run_shows_how_far_it_is(table: FakeTable) -> None:
    current = replace(DRY, dry_run=False, state="delivering", finished_at=None, done=30, total=40)
    table.operations.runs["k8s"] = TargetRuns("k8s", current=current)
    at = opened(table, "Reconcile")
    (bar,) = at.get("progress")
    assert (bar.proto.value, bar.proto.text) == (75, "Putting right: 30 of 40 differences")


def test_a_sync_that_is_down_is_said_for_its_target_alone(table: FakeTable) -> None:
    table.operations.runs["k8s"] = TargetRuns("k8s", unavailable="sync-k8s does not answer")
    at = opened(table, "Reconcile")
    assert [error.value for error in at.error] == [plain("sync-k8s does not answer")]
    at.segmented_control(key="reconcile_target").set_value("git")
    assert not run(at).error


def test_a_viewer_is_offered_no_change(table: FakeTable) -> None:
    viewers = Roles(default="viewer")
    table.refuse(Letter(1, "open", "k8s", "not-owned", "it is theirs", 7, "shop", 3, {}, 1, NOW), None)
    table.operations.runs["k8s"] = TargetRuns("k8s", last=DRY)
    assert offered(opened(table, "Reconcile", viewers)) == set()
    letters = opened(table, "Dead letters", viewers)
    assert labels(letters) == {"Previous", "Next"}
    assert not letters.checkbox
    assert "Read only" in words(letters)
    assert "You see everything and change nothing." in words(opened(table, "Settings", viewers))
