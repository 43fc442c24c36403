"""How far a row has come beyond its commit, by what sync tells of the GitOps engine."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from integration.crud.test_pipeline import metrics, stations
from integration.crud.test_sync_status import Row, report, seen, status

DELIVERED, BEFORE, AFTER = "2026-01-01T10:00:00Z", "2026-01-01T09:59:00Z", "2026-01-01T10:01:00Z"


def tell(crud: httpx.Client, *, observed_at: str = AFTER, **progress: Any) -> httpx.Response:
    told = {"application": "argocd/rowcast", "revision": "abc", "sync": "Synced", "health": "Healthy", "message": None}
    return post(crud, {**told, "observed_at": observed_at, **progress})


def post(crud: httpx.Client, progress: Any) -> httpx.Response:
    data = {"target": "git", "statuses": [], "progress": progress}
    event = {"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data": data}
    route = crud.get("/dapr/subscribe").json()[0]["route"]
    return crud.post(route, json=event, headers={"content-type": "application/cloudevents+json"})


@pytest.fixture(autouse=True)
def nothing_told(sql: sa.Connection) -> None:
    """Progress is of a target, not of a row: tests would see each other's."""
    sql.execute(sa.text("DELETE FROM public.gitops_progress"))


@pytest.fixture
def row(crud: httpx.Client, new: Callable[..., Row], request: pytest.FixtureRequest) -> Row:
    row = new(f"row-{zlib.crc32(request.node.name.encode())}")
    report(crud, status(row["id"], 1, "created", delivered_at=DELIVERED), target="git")
    return row


def stage(crud: httpx.Client, row: Row) -> tuple[str | None, str | None]:
    found = seen(crud, row["id"], "git")
    listed = crud.get("/appconfigs", params={"search": row["name"], "limit": 1000}).json()["items"]
    (its,) = [one["sync"]["git"] for one in listed if one["id"] == row["id"]]
    assert (its["stage"], its["stage_error"]) == (found["stage"], found["stage_error"])
    return found["stage"], found["stage_error"]


def test_without_an_engine_there_is_no_stage(crud: httpx.Client, row: Row) -> None:
    assert stage(crud, row) == (None, None)


def test_what_the_engine_has_not_seen_yet_is_committed(crud: httpx.Client, row: Row) -> None:
    tell(crud, observed_at=BEFORE)
    assert stage(crud, row) == ("committed", None)


def test_what_it_has_applied_is_synced_and_then_healthy(crud: httpx.Client, row: Row) -> None:
    tell(crud, health="Progressing")
    assert stage(crud, row) == ("synced", None)
    tell(crud)
    assert stage(crud, row) == ("healthy", None)


def test_a_row_that_is_behind_is_committed_with_what_keeps_the_engine(crud: httpx.Client, row: Row) -> None:
    tell(crud, pending=[row["id"]], sync="OutOfSync", message="failed to generate manifest")
    assert stage(crud, row) == ("committed", "failed to generate manifest")


def test_a_row_that_is_refused_has_the_engines_words(crud: httpx.Client, row: Row) -> None:
    tell(crud, pending=[row["id"]], errors={str(row["id"]): "admission webhook denied it"})
    assert stage(crud, row) == ("failed", "admission webhook denied it")


def test_a_refusal_says_nothing_of_what_was_delivered_since(crud: httpx.Client, row: Row) -> None:
    tell(crud, pending=[row["id"]], errors={str(row["id"]): "admission webhook denied it"})
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "mended"})
    report(crud, status(row["id"], 2, delivered_at="2026-01-01T10:01:01Z"), target="git")
    assert stage(crud, row) == ("committed", None)


def test_when_too_many_are_behind_to_be_named_none_is_called_synced(crud: httpx.Client, row: Row) -> None:
    tell(crud, pending=[], pending_truncated=True)
    assert stage(crud, row) == ("committed", None)


def test_what_was_seen_earlier_does_not_replace_what_was_seen_later(crud: httpx.Client, row: Row) -> None:
    tell(crud)
    tell(crud, observed_at="2026-01-01T10:00:30Z", pending=[row["id"]])
    assert stage(crud, row) == ("healthy", None)


def test_a_change_that_is_not_delivered_yet_has_no_stage(crud: httpx.Client, row: Row) -> None:
    tell(crud)
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"})
    assert stage(crud, row) == (None, None)


def test_a_proposed_row_links_to_its_pull_request_until_it_is_merged(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    row = new("proposed")
    link = "https://git.example/platform/pulls/1"
    report(crud, status(row["id"], 1, "created", stage="proposed", link=link), target="git")
    assert (stage(crud, row)[0], seen(crud, row["id"], "git")["link"]) == ("proposed", link)

    report(crud, status(row["id"], 1, "created", delivered_at="2026-01-01T10:00:01Z"), target="git")
    assert (stage(crud, row)[0], seen(crud, row["id"], "git")["link"]) == (None, None)


def test_a_deletion_that_is_only_proposed_is_still_on_its_way(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("leaving")
    crud.delete(f"/appconfigs/{row['id']}").raise_for_status()
    gone = {"deleted": True, "delivered_at": DELIVERED}
    report(crud, status(row["id"], 2, "deleted", **gone), target="k8s")
    report(
        crud,
        status(row["id"], 2, "deleted", stage="proposed", link="https://git.example/pulls/1", **gone),
        target="git",
    )
    assert crud.get(f"/appconfigs/{row['id']}/status").json()["deleting"] is True

    report(crud, status(row["id"], 2, "deleted", **{**gone, "delivered_at": AFTER}), target="git")
    assert crud.get(f"/appconfigs/{row['id']}/status").json()["deleting"] is False


def test_progress_that_cannot_be_read_is_counted_and_the_rest_is_kept(crud: httpx.Client, row: Row) -> None:
    answer = tell(crud, observed_at="yesterday")
    assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})
    assert stage(crud, row) == (None, None)
    assert "rowcast_sync_statuses_malformed_total" in crud.get("/metrics").text


def test_a_snapshot_tells_where_rows_are_to_whoever_asks(crud: httpx.Client, row: Row) -> None:
    tell(crud)

    def told(**parameters: Any) -> Any:
        answer = crud.get("/appconfigs:snapshot", params={"id": row["id"], **parameters})
        return json.loads(answer.text.splitlines()[1])

    git = {"generation": 1, "deleted": False, "outcome": "created", "stage": "healthy", "stage_error": None}
    assert told() == row
    assert told(sync=True) == {**row, "sync": {"k8s": None, "git": git}}


def test_without_an_engine_there_is_no_station_of_one(crud: httpx.Client) -> None:
    assert "engine-git" not in stations(crud)


def test_the_pipeline_ends_with_what_the_engine_says_and_how_many_rows_wait_for_it(
    crud: httpx.Client, row: Row
) -> None:
    moment = datetime.now(UTC)
    pending = [row["id"], row["id"] + 1]
    tell(crud, observed_at=moment.isoformat(), sync="OutOfSync", pending=pending, errors={str(row["id"]): "denied"})

    found = stations(crud)

    assert [name for name in found if name != "access"][-1] == "engine-git"
    engine = found["engine-git"]
    assert (engine["state"], engine["message"], engine["advice"]) == (
        "degraded",
        "1 row refused: denied",
        "gitops-engine",
    )
    facts = engine["facts"]
    told = ("application", "revision", "sync", "health", "message", "pending", "pending_truncated", "refused", "stale")
    assert [facts[name] for name in told] == [
        *("argocd/rowcast", "abc", "OutOfSync", "Healthy", None),
        *(2, False, 1, False),
    ]
    assert datetime.fromisoformat(facts["observed_at"]) == moment
    assert metrics(crud)['rowcast_station_state{state="degraded",station="engine-git"}'] == 1


def test_an_engine_that_was_not_told_of_for_long_is_stale_and_not_called_well(crud: httpx.Client) -> None:
    tell(crud)
    engine = stations(crud)["engine-git"]
    assert (engine["state"], engine["facts"]["stale"]) == ("unknown", True)
    assert engine["message"].endswith("the last was Synced, Healthy")


def test_since_when_an_engine_says_so_outlasts_its_being_told_again(crud: httpx.Client) -> None:
    start = datetime.now(UTC) - timedelta(minutes=3)
    moments = [(start + timedelta(minutes=n)).isoformat() for n in range(4)]

    tell(crud, observed_at=moments[0])
    tell(crud, observed_at=moments[1], revision="def")
    assert since(crud) == start
    tell(crud, observed_at=moments[2], health="Degraded")
    tell(crud, observed_at=moments[3], health="Degraded")
    assert since(crud) == start + timedelta(minutes=2)


def since(crud: httpx.Client) -> datetime:
    return datetime.fromisoformat(stations(crud)["engine-git"]["facts"]["since"])


def test_an_instance_without_an_engine_makes_crud_forget_what_one_has_said(crud: httpx.Client, row: Row) -> None:
    tell(crud)
    assert stage(crud, row) == ("healthy", None)

    post(crud, "none")

    assert stage(crud, row) == (None, None)
    assert "engine-git" not in stations(crud)
