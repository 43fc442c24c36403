from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

Row = dict[str, Any]


def history(crud: httpx.Client, row_id: int) -> list[Row]:
    items: list[Row] = crud.get(f"/appconfigs/{row_id}/history").json()["items"]
    return items


def test_every_change_is_there_with_its_person_newest_first(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("written")
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"}, headers={"x-rowcast-user": "bob"})
    crud.delete(f"/appconfigs/{row['id']}", headers={"x-rowcast-user": "eve"})
    deleted, updated, created = history(crud, row["id"])
    assert [entry["change"] for entry in (created, updated, deleted)] == ["created", "updated", "deleted"]
    assert [entry["changed_by"] for entry in (created, updated, deleted)] == ["anonymous", "bob", "eve"]
    assert [entry["generation"] for entry in (created, updated, deleted)] == [1, 2, 3]
    assert (created["before"], created["after"]) == (None, row)
    assert updated["before"] == row
    assert deleted["before"] == updated["after"]
    assert deleted["after"] is None


def test_it_comes_in_pages(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("paged")
    for branch in "abc":
        crud.patch(f"/appconfigs/{row['id']}", json={"branch": branch})
    url, generations, cursor = f"/appconfigs/{row['id']}/history", [], None
    while True:
        page = crud.get(url, params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        generations += [entry["generation"] for entry in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert generations == [4, 3, 2, 1]


def test_a_row_that_never_was_has_none(crud: httpx.Client) -> None:
    assert crud.get(f"/appconfigs/{2**40}/history").status_code == 404


def test_direct_edits_count_and_name_the_login(crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection) -> None:
    row = new("direct")
    login = sql.execute(sa.text("SELECT session_user")).scalar_one()
    sql.execute(sa.text("UPDATE app_configs SET branch = 'sql' WHERE id = :id"), {"id": row["id"]})
    assert crud.get(f"/appconfigs/{row['id']}").json()["generation"] == 2
    sql.execute(sa.text("DELETE FROM app_configs WHERE id = :id"), {"id": row["id"]})
    deleted, updated, _ = history(crud, row["id"])
    assert (updated["change"], updated["changed_by"]) == ("updated", login)
    assert (deleted["change"], deleted["changed_by"], deleted["generation"]) == ("deleted", login, 2)


def test_nobody_can_set_what_the_triggers_set(crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection) -> None:
    row = new("forged")
    forge = (
        "UPDATE app_configs SET branch = 'f', generation = 99, updated_by = 'root', updated_at = 'epoch' WHERE id = :id"
    )
    sql.execute(sa.text(forge), {"id": row["id"]})
    forged = crud.get(f"/appconfigs/{row['id']}").json()
    assert forged["generation"] == 2
    assert forged["updated_by"] == sql.execute(sa.text("SELECT session_user")).scalar_one()
    assert forged["updated_at"] > row["updated_at"]


@pytest.mark.parametrize("assignment", ["id = id + 1000000", "created_at = 'epoch'"])
def test_what_identifies_a_row_never_changes(new: Callable[..., Row], sql: sa.Connection, assignment: str) -> None:
    row = new(f"fixed-{len(assignment)}")
    with pytest.raises(sa.exc.DBAPIError):
        sql.execute(sa.text(f"UPDATE app_configs SET {assignment} WHERE id = :id"), {"id": row["id"]})


def test_an_update_that_changes_nothing_leaves_no_trace(
    crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    row = new("untouched")
    sql.execute(sa.text("UPDATE app_configs SET branch = branch, updated_by = 'x' WHERE id = :id"), {"id": row["id"]})
    assert crud.get(f"/appconfigs/{row['id']}").json() == row
    assert len(history(crud, row["id"])) == 1


def test_truncate_is_refused_because_capture_would_not_see_it(sql: sa.Connection) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="change capture would not see it"):
        sql.execute(sa.text("TRUNCATE app_configs"))
