"""Rows that wait for too long, and rows that are gone but not from everywhere: both are seen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from .test_sync_status import report, seen, status

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def empty(sql: sa.Connection) -> None:
    for table in ("app_configs", "app_config_deletions", "sync_statuses"):
        sql.execute(sa.text(f"DELETE FROM {table}"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))


def listed(crud: httpx.Client, state: str) -> list[Row]:
    page = crud.get("/appconfigs", params={"state": state, "sort": "name"}).json()
    items: list[Row] = page["items"]
    assert page["total"] == len(items)
    return items


def names(crud: httpx.Client, state: str) -> list[str]:
    return [row["name"] for row in listed(crud, state)]


def age(sql: sa.Connection, row: Row, generation: int, minutes: int) -> None:
    """As if the change to this generation had been made that long ago; the table's own trigger forbids it."""
    long_ago = f"now() - interval '{minutes} minutes'"
    its = f"id = {row['id']}"
    sql.execute(sa.text("ALTER TABLE app_configs DISABLE TRIGGER app_configs_before"))
    sql.execute(sa.text(f"UPDATE app_configs SET created_at = {long_ago} WHERE {its}"))
    sql.execute(sa.text(f"UPDATE app_configs SET updated_at = {long_ago} WHERE {its} AND generation = {generation}"))
    past = f"row_{its} AND generation = {generation}"
    sql.execute(sa.text(f"UPDATE app_config_history SET changed_at = {long_ago} WHERE {past}"))
    sql.execute(sa.text("ALTER TABLE app_configs ENABLE ALWAYS TRIGGER app_configs_before"))


def test_a_row_that_waits_longer_than_the_setting_is_overdue_and_says_since_when(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    old, fresh = new("old"), new("fresh")
    age(sql, old, 1, minutes=5)

    (row,) = listed(crud, "overdue")

    assert row["name"] == "old"
    assert {one["overdue"] for one in row["sync"].values()} == {True}
    assert row["sync"]["k8s"]["pending_since"] == row["created_at"]
    assert seen(crud, fresh["id"])["overdue"] is False
    assert seen(crud, old["id"])["overdue"] is True


def test_a_row_that_is_changed_again_and_again_grows_no_younger_by_it(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    row = new("busy")
    for target in ("k8s", "git"):
        report(crud, status(row["id"], 1), target=target)
    for number in range(3):
        crud.patch(f"/appconfigs/{row['id']}", json={"branch": f"b{number}"})
    age(sql, row, 2, minutes=10)

    assert names(crud, "overdue") == ["busy"]
    found = seen(crud, row["id"])
    assert (found["state"], found["overdue"]) == ("pending", True)
    assert found["pending_since"] < crud.get(f"/appconfigs/{row['id']}").json()["updated_at"]


def test_one_target_that_has_it_leaves_the_other_overdue(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    row = new("half")
    age(sql, row, 1, minutes=5)
    report(crud, status(row["id"], 1))

    (found,) = listed(crud, "overdue")
    assert (found["sync"]["k8s"]["overdue"], found["sync"]["k8s"]["pending_since"]) == (False, None)
    assert found["sync"]["git"]["overdue"] is True
    report(crud, status(row["id"], 1), target="git")
    assert listed(crud, "overdue") == []


def test_a_refused_row_is_failed_and_not_overdue(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    row = new("refused")
    age(sql, row, 1, minutes=5)
    for target in ("k8s", "git"):
        report(crud, status(row["id"], 1, "dead-lettered", error="no"), target=target)

    assert (names(crud, "failed"), names(crud, "overdue")) == (["refused"], [])


def test_a_deleted_row_is_listed_until_every_target_has_told_that_it_is_gone(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    row, other = new("going", environment="prod"), new("staying")
    for target in ("k8s", "git"):
        report(crud, status(row["id"], 1), target=target)
    crud.delete(f"/appconfigs/{row['id']}", headers={"x-rowcast-user": "eve"})

    (gone,) = listed(crud, "deleting")
    assert (gone["name"], gone["environment"], gone["generation"], gone["updated_by"]) == ("going", "prod", 2, "eve")
    assert gone["deleted_at"] == gone["sync"]["git"]["pending_since"]
    assert crud.get(f"/appconfigs/{row['id']}/status").json()["deleting"] is True

    report(crud, status(row["id"], 2, "deleted", deleted=True))
    (gone,) = listed(crud, "deleting")
    assert {target: one["state"] for target, one in gone["sync"].items()} == {"k8s": "synced", "git": "pending"}
    report(crud, status(row["id"], 2, "deleted", deleted=True), target="git")
    assert listed(crud, "deleting") == []
    assert crud.get(f"/appconfigs/{row['id']}/status").json()["deleting"] is False
    assert other["name"] in names(crud, "pending")


def test_a_row_that_was_deleted_by_sql_before_anything_was_told_of_it_is_listed_too(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    row = new("unseen")
    sql.execute(sa.text("DELETE FROM app_configs WHERE id = :id"), {"id": row["id"]})

    (gone,) = listed(crud, "deleting")
    assert (gone["id"], gone["updated_by"]) == (row["id"], "postgres")


def test_a_deletion_that_a_target_refused_stays_listed_as_failed(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("held")
    crud.delete(f"/appconfigs/{row['id']}")
    report(crud, status(row["id"], 2, "deleted", deleted=True), target="git")
    report(crud, status(row["id"], 2, "dead-lettered", deleted=True, error="denied by the webhook"))

    (gone,) = listed(crud, "deleting")
    assert (gone["sync"]["k8s"]["state"], gone["sync"]["k8s"]["error"]) == ("failed", "denied by the webhook")


def test_of_two_targets_that_tell_at_once_one_notices_that_it_was_the_last(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    rows = [new(f"many-{number}") for number in range(30)]
    for row in rows:
        crud.delete(f"/appconfigs/{row['id']}")
    with ThreadPoolExecutor(8) as pool:
        told = [
            pool.submit(report, crud, status(row["id"], 2, "deleted", deleted=True), target=target)
            for row in rows
            for target in ("k8s", "git")
        ]
    assert {one.result().json()["status"] for one in told} == {"SUCCESS"}
    assert sql.execute(sa.text("SELECT count(*) FROM app_config_deletions")).scalar_one() == 0


def test_the_list_of_deletions_pages_and_searches_like_the_other(crud: httpx.Client, new: Callable[..., Row]) -> None:
    for number in range(3):
        crud.delete(f"/appconfigs/{new(f'paged-{number}')['id']}")
    first = crud.get("/appconfigs", params={"state": "deleting", "sort": "-name", "limit": 2}).json()
    second = crud.get("/appconfigs", params={"state": "deleting", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [row["name"] for page in (first, second) for row in page["items"]] == ["paged-2", "paged-1", "paged-0"]
    found = crud.get("/appconfigs", params={"state": "deleting", "search": "paged-1"}).json()
    assert [row["name"] for row in found["items"]] == ["paged-1"]
