from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

Row = dict[str, Any]
EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00.5Z"


def status(row_id: int, generation: int, outcome: str = "configured", **other: Any) -> Row:
    return {"row_id": row_id, "name": "n", "generation": generation, "outcome": outcome, "deleted": False} | {
        "reference": f"r{generation}",
        "error": None,
        "saved_at": EARLY,
        "captured_at": EARLY,
        "delivered_at": EARLY,
        **other,
    }


def report(crud: httpx.Client, *statuses: Row, target: str = "k8s") -> httpx.Response:
    event = {
        "specversion": "1.0",
        "type": "t",
        "source": "s",
        "id": "1",
        "data": {"target": target, "statuses": statuses},
    }
    route = crud.get("/dapr/subscribe").json()[0]["route"]
    return crud.post(route, json=event, headers={"content-type": "application/cloudevents+json"})


def seen(crud: httpx.Client, row_id: int, target: str = "k8s") -> Row:
    found: Row = crud.get(f"/appconfigs/{row_id}/status").json()["targets"][target]
    return found


def test_a_row_is_synced_where_its_generation_was_observed(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("synced")
    answer = report(crud, status(row["id"], 1, "created"))
    assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})
    found = seen(crud, row["id"])
    assert (found["state"], found["outcome"], found["reference"]) == ("synced", "created", "r1")
    assert found["times"]["saved"] == "2026-01-01T10:00:00.000000Z"
    assert seen(crud, row["id"], "git")["state"] == "pending"


def test_a_later_change_makes_it_pending_again(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("pending")
    report(crud, status(row["id"], 1))
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"})
    assert seen(crud, row["id"])["state"] == "pending"
    listed = crud.get("/appconfigs", params={"search": "pending"}).json()["items"][0]["sync"]["k8s"]
    assert (listed["state"], listed["observed_generation"]) == ("pending", 1)


def test_a_dead_lettered_generation_is_failed_until_the_next(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("failed")
    report(crud, status(row["id"], 1, "dead-lettered", error="refused"))
    assert (seen(crud, row["id"])["state"], seen(crud, row["id"])["error"]) == ("failed", "refused")
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"})
    assert seen(crud, row["id"])["state"] == "pending"


def test_an_older_or_stale_report_overwrites_nothing(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("ordered")
    for branch in ("b", "c"):
        crud.patch(f"/appconfigs/{row['id']}", json={"branch": branch})
    report(crud, status(row["id"], 3), status(row["id"], 2))
    report(crud, status(row["id"], 2, delivered_at=LATE))
    report(crud, status(row["id"], 4, "stale", delivered_at=LATE))
    assert seen(crud, row["id"])["observed_generation"] == 3


def test_of_one_generation_the_later_delivery_counts(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("replayed")
    report(crud, status(row["id"], 1, "dead-lettered", delivered_at=EARLY))
    report(crud, status(row["id"], 1, "created", delivered_at=LATE))
    report(crud, status(row["id"], 1, "dead-lettered", delivered_at=EARLY))
    assert seen(crud, row["id"])["state"] == "synced"


def test_what_was_written_stays_so_when_its_event_comes_again(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("comes-twice")
    report(crud, status(row["id"], 1, "created"))
    report(crud, status(row["id"], 1, "unchanged", delivered_at=LATE, reference=None, error="trouble"))
    found = seen(crud, row["id"])
    assert (found["outcome"], found["reference"], found["error"]) == ("created", "r1", "trouble")
    assert found["times"]["delivered"] == "2026-01-01T11:00:00.500000Z"

    report(crud, status(row["id"], 2, "unchanged", delivered_at=LATE))
    assert (seen(crud, row["id"])["outcome"], seen(crud, row["id"])["reference"]) == ("unchanged", "r2")

    for outcome, at in (("deleted", EARLY), ("unchanged", LATE)):
        report(crud, status(row["id"], 3, outcome, deleted=True, delivered_at=at))
    assert seen(crud, row["id"])["outcome"] == "deleted"


def test_a_deletion_is_pending_until_it_is_reported(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("deleted")
    report(crud, status(row["id"], 1))
    crud.delete(f"/appconfigs/{row['id']}")
    assert seen(crud, row["id"])["state"] == "pending"
    report(crud, status(row["id"], 2, "deleted", deleted=True))
    assert seen(crud, row["id"])["state"] == "synced"
    assert crud.get(f"/appconfigs/{row['id']}/status").json()["generation"] is None


def test_a_report_of_many_rows_is_kept_whole(crud: httpx.Client) -> None:
    items = [
        {"action": "create", "config": {"name": f"m{i}", "repository_url": "https://x/y", "environment": "dev"}}
        for i in range(500)
    ]
    rows = crud.post("/appconfigs:batch", json={"items": items}).json()["items"]
    report(crud, *(status(row["id"], 1) for row in rows), target="git")
    assert {seen(crud, row["id"], "git")["state"] for row in rows[::50]} == {"synced"}


def test_what_cannot_be_read_is_dropped_and_counted(crud: httpx.Client) -> None:
    route = crud.get("/dapr/subscribe").json()[0]["route"]
    for body in (b"{", b"[]", b'{"data": 1}', b'{"data": {"target": "K8S", "statuses": []}}'):
        answer = crud.post(route, content=body)
        assert (answer.status_code, answer.json()) == (200, {"status": "DROP"})
    assert "rowcast_sync_statuses_malformed_total 4.0" in crud.get("/metrics").text


def test_a_malformed_status_does_not_take_the_others_with_it(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("survivor")
    bad = [{"row_id": "x"}, status(row["id"], 1, "exploded"), status(row["id"], 1, reference="a\0b")]
    assert report(crud, *bad, status(row["id"], 1)).json() == {"status": "SUCCESS"}
    assert seen(crud, row["id"])["state"] == "synced"


def test_events_for_a_route_that_is_not_there_are_to_be_retried(crud: httpx.Client) -> None:
    assert crud.post("/events/other", json={}).status_code == 503


def test_what_a_reconcile_tells_goes_below_a_generation_that_was_observed(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    row = new("restored")
    report(crud, status(row["id"], 7))
    report(crud, status(row["id"], 1, "configured", cause="reconcile", delivered_at=LATE))
    assert seen(crud, row["id"])["observed_generation"] == 1
    report(crud, status(row["id"], 7, cause="reconcile", delivered_at=EARLY))
    assert seen(crud, row["id"])["observed_generation"] == 1


def test_what_a_reconcile_tells_of_a_state_that_was_overtaken_changes_nothing(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    row = new("overtaken")
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "next"})
    report(crud, status(row["id"], 2))

    report(crud, status(row["id"], 1, "unchanged", cause="reconcile", delivered_at=LATE))

    assert seen(crud, row["id"])["observed_generation"] == 2


def test_what_a_reconcile_tells_of_a_row_that_came_back_is_kept(
    crud: httpx.Client, sql: sa.Connection, new: Callable[..., Row]
) -> None:
    row = new("came-back")
    report(crud, status(row["id"], 2, "deleted", deleted=True))

    report(crud, status(row["id"], 1, "created", cause="reconcile", delivered_at=LATE))

    assert seen(crud, row["id"])["state"] == "synced"


def test_a_row_that_waits_for_a_target_says_why_until_it_arrives(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("waiting")
    report(crud, status(row["id"], 1, "retrying", error="the branch is protected"), target="git")
    found = seen(crud, row["id"], "git")
    assert (found["state"], found["error"]) == ("pending", "the branch is protected")

    report(crud, status(row["id"], 1, "created", delivered_at=LATE), target="git")
    found = seen(crud, row["id"], "git")
    assert (found["state"], found["error"], found["observed_generation"]) == ("synced", None, 1)

    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"})
    report(crud, status(row["id"], 2, "retrying", error="no such host"), target="git")
    found = seen(crud, row["id"], "git")
    assert (found["state"], found["error"], found["observed_generation"]) == ("pending", "no such host", 1)


def test_trouble_with_what_has_arrived_meanwhile_is_no_news(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("arrived")
    report(crud, status(row["id"], 1, "created"))
    report(crud, status(row["id"], 1, "retrying", error="late"))
    assert (seen(crud, row["id"])["state"], seen(crud, row["id"])["error"]) == ("synced", None)


NUMBERS = count()
FAR = "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize(
    "odd",
    [
        {"saved_at": FAR},
        {"saved_at": "9999-12-31T23:59:59-14:00"},
        {"captured_at": "0001-01-01T00:00:00+14:00"},
        {"generation": 2**63 - 1},
        {"generation": 2**53},
        {"generation": "1"},
        {"generation": 1.5},
        {"generation": -1},
        {"row_id": 2**63 - 1},
        {"delivered_at": "0001-01-01T00:00:00Z"},
        {"delivered_at": "now"},
        {"outcome": "perfect"},
        {"deleted": "perhaps"},
        {"stage": "x" * 100_000},
        {"link": "javascript:alert(1)"},
        {"error": 7},
    ],
    ids=str,
)
def test_a_status_that_can_not_be_is_refused_by_name_and_breaks_nobodys_list(
    crud: httpx.Client, new: Callable[..., Row], odd: Row
) -> None:
    number = next(NUMBERS)
    row, neighbour = new(f"odd-{number}"), new(f"beside-odd-{number}")
    before = malformed(crud)

    answer = report(crud, {**status(row["id"], 1), **odd}, status(neighbour["id"], 1))

    assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})
    assert malformed(crud) == before + 1
    assert crud.get("/appconfigs").status_code == 200
    assert seen(crud, row["id"])["state"] == "pending"
    assert seen(crud, neighbour["id"])["state"] == "synced"


def test_a_clock_that_is_ahead_freezes_nothing(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("ahead")
    report(crud, status(row["id"], 1, "configured", delivered_at="2036-01-01T00:00:00Z"))
    report(crud, status(row["id"], 1, "dead-lettered", error="refused", delivered_at=moment()))
    assert seen(crud, row["id"])["state"] == "failed"

    report(crud, status(row["id"], 1, "configured", delivered_at="2036-01-01T00:00:00Z", cause="reconcile"))
    assert seen(crud, row["id"])["state"] == "synced"


def test_what_a_clock_that_was_ahead_has_left_is_overwritten_by_the_next_word(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    row = new("left")
    report(crud, status(row["id"], 1))
    sql.execute(sa.text("UPDATE sync_statuses SET delivered_at = '2036-01-01Z' WHERE row_id = :id"), row)

    for cause in ("change", "reconcile"):
        error = f"refused, says a {cause}"
        report(crud, status(row["id"], 1, "dead-lettered", error=error, cause=cause, delivered_at=moment()))
        assert seen(crud, row["id"])["error"] == error


def test_a_generation_that_the_table_has_not_come_to_stands_in_nobodys_way(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    row = new("forged")
    report(crud, status(row["id"], 4_000_000_000))
    assert crud.get("/appconfigs").status_code == 200

    report(crud, status(row["id"], 1, "dead-lettered", error="refused", delivered_at=EARLY))
    found = seen(crud, row["id"])
    assert (found["state"], found["observed_generation"]) == ("failed", 1)


def test_a_long_error_is_kept_in_its_beginning(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("long")
    report(crud, status(row["id"], 1, "dead-lettered", error="e" * 3_000_000, reference="r" * 10_000))
    found = seen(crud, row["id"])
    assert len(found["error"]) < 2_100
    assert found["error"].endswith("(3000000 characters)")
    assert len(found["reference"]) < 600


def moment() -> str:
    return datetime.now(UTC).isoformat()


def malformed(crud: httpx.Client) -> float:
    lines = crud.get("/metrics").text.splitlines()
    (value,) = [line.split()[-1] for line in lines if line.startswith("rowcast_sync_statuses_malformed_total ")]
    return float(value)


def test_the_commit_that_is_told_is_the_one_that_has_written_the_row(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    """Git tells its tip with `unchanged`: another row's commit."""
    row = new("committed")
    report(crud, status(row["id"], 1, "created", reference="c1", delivered_at=EARLY), target="git")
    report(crud, status(row["id"], 1, "unchanged", reference="c9", delivered_at=LATE), target="git")
    found = seen(crud, row["id"], "git")
    assert (found["outcome"], found["reference"]) == ("created", "c1")
