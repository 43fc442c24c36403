"""The calls of the rooms beside the configurations: what is sent, and what each answer is read as."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from activity.models import ActivityQuery
from client.api_client import CrudClient
from client.errors import RefusedError
from configurations.models import Draft
from login.identity import Who

RUN = {
    "trigger": "request",
    "dry_run": True,
    "state": "refused",
    "started_at": "2026-01-02T03:04:05+00:00",
    "finished_at": "2026-01-02T03:04:06+00:00",
    "progress": {"done": 3, "total": 3},
    "error": "would prune 40 of 100 rows",
    "in_table": 60,
    "in_inventory": 100,
    "differences": {"missing": 0, "different": 1, "orphaned": 40},
    "plan": [
        {
            "kind": "different",
            "renderer": "appconfigs",
            "key": "1",
            "generation": 2,
            "name": "a",
            "environment": "prod",
            "why": "was edited there",
            "diff": "-a\n+b",
        }
    ],
    "text": [],
    "outcomes": {},
    "skipped": 0,
    "failed": [],
}

ADA = Who("ada")


def client(content: object, asked: list[httpx.Request] | None = None, who: Who = ADA) -> CrudClient:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(200, json=content)

    return CrudClient(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://sidecar"), lambda: who)


def test_activity_asks_for_what_narrows_it_and_nothing_else() -> None:
    asked: list[httpx.Request] = []
    client({"items": [], "next_cursor": None}, asked).activity(ActivityQuery(person="ada", outcome="failed"))
    (request,) = asked
    assert request.url.path == "/activity"
    assert dict(request.url.params) == {"person": "ada", "outcome": "failed", "limit": "25"}


def test_activity_is_read_with_its_differences_and_outcomes() -> None:
    item = {
        "id": 9,
        "row_id": 4,
        "name": "a",
        "environment": "prod",
        "generation": 2,
        "change": "updated",
        "changed_at": "2026-01-02T05:04:05+02:00",
        "changed_by": "ada",
        "fields": {"branch": ["main", None]},
        "outcomes": {"k8s": "synced"},
    }
    page = client({"items": [item], "next_cursor": "x"}).activity(ActivityQuery())
    (found,) = page.items
    assert (found.fields, found.outcomes, page.next_cursor) == ({"branch": ("main", None)}, {"k8s": "synced"}, "x")
    assert found.changed_at.isoformat() == "2026-01-02T03:04:05+00:00"


def test_people_are_those_who_changed_something() -> None:
    assert client({"items": ["grace", "ada"]}).people() == ("grace", "ada")


def test_a_pipeline_is_read_and_a_state_that_nobody_knows_is_not_called_well() -> None:
    station = {"name": "slot", "title": "Replication slot", "state": "confused", "checked_at": "2026-01-02T03:04:05Z"}
    found = client({"state": "ok", "checked_at": "2026-01-02T03:04:05Z", "stations": [station]}).pipeline()
    assert (found.state, found.stations[0].state, found.stations[0].configured) == ("ok", "unknown", True)


def test_a_reconcile_is_asked_for_and_read_with_its_plan() -> None:
    asked: list[httpx.Request] = []
    run = client(RUN, asked).reconcile("git", dry_run=True)
    assert (asked[0].method, asked[0].url.path) == ("POST", "/reconciles/git")
    assert asked[0].read() == b'{"dry_run":true,"prune_limit":null}'
    assert (run.state, run.error, run.counts["orphaned"]) == ("refused", "would prune 40 of 100 rows", 40)
    assert run.finished_at is not None
    assert run.finished_at - run.started_at == timedelta(seconds=1)
    assert (run.plan[0].kind, run.plan[0].diff) == ("different", "-a\n+b")


def test_how_it_is_at_each_target_is_read_also_where_that_is_not_known() -> None:
    content = {
        "targets": [
            {"target": "k8s", "current": None, "last": RUN, "unavailable": None},
            {"target": "git", "current": None, "last": None, "unavailable": "sync-git does not answer"},
        ]
    }
    first, second = client(content).reconciles()
    assert first.last is not None
    assert (first.current, second.unavailable) == (None, "sync-git does not answer")


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.create(Draft("a", "https://git.example/a.git", "main", "prod")),
        lambda client: client.delete(1, 1),
        lambda client: client.replay((1,), ""),
        lambda client: client.reconcile("git", dry_run=False),
    ],
)
def test_whoever_may_only_look_sends_no_change_whatever_page_asks_for_it(change: Callable[[Any], object]) -> None:
    asked: list[httpx.Request] = []
    crud = client({"items": []}, asked, Who("ada", "viewer"))
    with pytest.raises(RefusedError, match="look, and change nothing") as refused:
        change(crud)
    assert (refused.value.status, asked) == (403, [])
    assert crud.people() == ()
