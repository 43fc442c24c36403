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
from promotion.models import Seen

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


PROMOTED = {
    "outcome": "promoted",
    "from_key": "1",
    "from_generation": 4,
    "to_key": "2",
    "to_generation": 7,
    "from_place": "dev",
    "to_place": "prod",
    "fields": {"version": ["v1", None]},
    "why": None,
    "before": {
        "name": "web",
        "environment": "prod",
        "manifests": [{"id": "a", "manifest": {"kind": "A"}}],
        "errors": [],
    },
    "after": None,
}
SEEN = Seen("1", 4, "2", 7)


def test_a_board_of_promotions_is_read_with_what_was_seen_of_each_place() -> None:
    dev = {"place": "dev", "key": "1", "generation": 4, "values": {"version": None}, "state": "healthy"}
    dev |= {"since": "2026-01-02T03:04:05Z", "changed_by": "ada", "changed_at": "2026-01-02T03:04:05Z"}
    dev |= {"fields": {}, "allowed": False, "rule": "first", "why": "it begins"}
    prod = {**dev, "place": "prod", "key": "2", "generation": 7, "from_key": "1", "from_generation": 4, "request": 9}
    gone: dict[str, Any] = {
        "place": "attic",
        "key": None,
        "generation": None,
        "values": {},
        "fields": {},
        "allowed": False,
    }
    promotion = {"order": ["dev", "prod", "attic"], "approval": True, "healthy_seconds": 90}
    content = {"promotion": promotion, "why": None, "next_cursor": "x", "total": 3}
    asked: list[httpx.Request] = []

    found = client({**content, "items": [{"match": {"name": "web"}, "places": [dev, prod, gone]}]}, asked)
    board = found.promotion_board("a/b", "we", differs=True, cursor="c")

    assert asked[0].url.raw_path == b"/renderers/a%2Fb/promotions?search=we&differs=true&cursor=c&limit=20"
    assert (board.order, board.approval, board.healthy_seconds) == (("dev", "prod", "attic"), True, 90)
    assert (board.next_cursor, board.total) == ("x", 3)
    [group] = board.items
    assert [place.seen for place in group.places] == [None, SEEN, None]
    assert [place.request for place in group.places] == [None, 9, None]
    assert client({"promotion": None, "why": "no order"}).promotion_board("web").why == "no order"


def test_promotions_are_previewed_and_done_as_they_were_seen() -> None:
    asked: list[httpx.Request] = []
    [result] = client({"items": [PROMOTED]}, asked).promotion_preview("web", ["2"])
    client({"items": []}, asked).promotion_preview("web", [])
    client({"items": [PROMOTED]}, asked).promote("web", [result.seen])
    assert [request.read() for request in asked] == [
        b'{"keys":["2"],"dry_run":true}',
        b'{"all":true,"dry_run":true}',
        b'{"items":[{"from_key":"1","from_generation":4,"to_key":"2","to_generation":7}]}',
    ]
    assert (result.outcome, result.seen, result.fields) == ("promoted", SEEN, {"version": ("v1", None)})
    assert result.before is not None
    assert (result.before.manifests[0].content, result.after) == ({"kind": "A"}, None)


def test_requests_for_promotions_are_read_and_decided_on() -> None:
    asked: list[httpx.Request] = []
    request = {**PROMOTED, "id": 9, "asked_by": "ada", "asked_at": "2026-01-02T03:04:05Z"}
    [found] = client({"items": [request]}, asked).promotion_requests("web")
    client({}, asked).decide_promotion("web", 9, approved=True)
    client({}, asked).decide_promotion("web", 9, approved=False, why="no")
    assert (found.id, found.asked_by, found.from_place, found.to_place) == (9, "ada", "dev", "prod")
    assert [(request.url.path, request.read()) for request in asked] == [
        ("/renderers/web/promotions:requests", b""),
        ("/renderers/web/promotions/9:approve", b""),
        ("/renderers/web/promotions/9:refuse", b'{"why":"no"}'),
    ]
