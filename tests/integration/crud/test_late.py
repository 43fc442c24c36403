"""Which rows a target is late with: what its instances ask for, so that nothing is forgotten with one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from .test_sync_status import report, status

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def empty(sql: sa.Connection) -> None:
    for table in ("app_configs", "app_config_deletions", "sync_statuses"):
        sql.execute(sa.text(f"DELETE FROM {table}"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))


def late(crud: httpx.Client, **parameters: Any) -> list[tuple[int, int, bool]]:
    answer = crud.get("/appconfigs:late", params={"target": "k8s", "seconds": 0, **parameters})
    assert answer.status_code == 200, answer.text
    assert answer.json()["more"] is False
    return [(row["id"], row["generation"], row["deleted"]) for row in answer.json()["rows"]]


def test_a_row_is_late_until_its_last_change_is_reported(crud: httpx.Client, new: Callable[..., Row]) -> None:
    silent, behind, refused, done = (new(name)["id"] for name in ("silent", "behind", "refused", "done"))
    report(crud, status(behind, 1), status(refused, 1, "dead-lettered", error="refused"), status(done, 1))
    crud.patch(f"/appconfigs/{behind}", json={"branch": "b"})
    report(crud, status(behind, 2, "retrying", error="the webhook is down"))

    assert late(crud) == [(silent, 1, False), (behind, 2, False)]
    assert late(crud, after=silent) == [(behind, 2, False)]
    assert late(crud, seconds=3600) == []

    report(crud, status(silent, 1), status(behind, 2))
    assert late(crud) == []
    assert [row_id for row_id, _, _ in late(crud, target="git")] == [silent, behind, refused, done]


def test_a_deletion_is_late_until_the_target_has_made_it(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row_id = new("gone")["id"]
    report(crud, status(row_id, 1))
    crud.delete(f"/appconfigs/{row_id}")

    ((late_id, generation, deleted),) = late(crud)
    assert (late_id, deleted) == (row_id, True)

    report(crud, status(row_id, generation, "deleted", deleted=True))
    assert late(crud) == []


def test_a_look_is_limited_to_what_changed_of_late_or_before_a_moment(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    old, early, young, gone = (new(name) for name in ("old", "early", "young", "gone"))
    crud.delete(f"/appconfigs/{gone['id']}")
    sql.execute(sa.text("ALTER TABLE app_configs DISABLE TRIGGER app_configs_before"))
    sql.execute(
        sa.text("UPDATE app_configs SET updated_at = now() - interval '1 hour' WHERE id = :id"), {"id": old["id"]}
    )
    sql.execute(sa.text("ALTER TABLE app_configs ENABLE ALWAYS TRIGGER app_configs_before"))

    def found(**parameters: Any) -> list[int]:
        return [row_id for row_id, _, _ in late(crud, **parameters)]

    assert found(within=60) == [early["id"], young["id"], gone["id"]]
    assert found(before=young["updated_at"]) == [old["id"], early["id"]]
    assert found(before=young["updated_at"], within=60) == [early["id"]]
    assert crud.get("/appconfigs:late", params={"target": "k8s", "before": "2026-11-28T12:00:00"}).status_code == 422


def test_a_late_row_says_who_changed_it(crud: httpx.Client) -> None:
    body = {"name": "hers", "repository_url": "https://git.example/shop.git", "environment": "dev"}
    row_id = crud.post("/appconfigs", json=body, headers={"x-rowcast-user": "ada"}).json()["id"]
    crud.delete(f"/appconfigs/{row_id}", headers={"x-rowcast-user": "grace"})

    (row,) = crud.get("/appconfigs:late", params={"target": "k8s", "seconds": 0}).json()["rows"]
    assert (row["id"], row["deleted"], row["actor"]) == (row_id, True, "grace")
