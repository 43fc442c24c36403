"""What happened to all configurations, who did it, and what became of it."""

from collections.abc import Callable
from typing import Any

import httpx
import sqlalchemy as sa

New = Callable[..., dict[str, Any]]
_TELL = sa.text("""
INSERT INTO public.sync_statuses (row_id, target, observed_generation, deleted, outcome, delivered_at)
VALUES (:row, :target, :generation, :deleted, :outcome, now())
ON CONFLICT (row_id, target) DO UPDATE SET (observed_generation, deleted, outcome)
    = (excluded.observed_generation, excluded.deleted, excluded.outcome)
""")


def tell(
    sql: sa.Connection, row: int, target: str, generation: int, outcome: str = "configured", deleted: bool = False
) -> None:
    told = {"row": row, "target": target, "generation": generation, "outcome": outcome, "deleted": deleted}
    sql.execute(_TELL, told)


def activity(crud: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    answer = crud.get("/activity", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_changes_are_told_newest_first_with_what_differs_and_who(crud: httpx.Client, new: New) -> None:
    row = new("told")
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers={"x-rowcast-user": "ada"})
    crud.delete(f"/appconfigs/{row['id']}", headers={"x-rowcast-user": "bob"})

    deleted, updated, created = activity(crud, row_id=row["id"])

    assert [deleted["change"], updated["change"], created["change"]] == ["deleted", "updated", "created"]
    assert (updated["fields"], updated["changed_by"]) == ({"branch": ["main", "next"]}, "ada")
    assert created["fields"]["branch"] == [None, "main"]
    assert deleted["fields"]["name"] == ["told", None]
    assert (deleted["name"], deleted["environment"], deleted["changed_by"]) == ("told", "dev", "bob")


def test_what_became_of_each_change_is_told_by_target(crud: httpx.Client, new: New, sql: sa.Connection) -> None:
    row = new("became")["id"]
    tell(sql, row, "k8s", 1)

    assert activity(crud, row_id=row)[0]["outcomes"] == {"k8s": "synced", "git": "pending"}

    crud.patch(f"/appconfigs/{row}", json={"branch": "next"})
    tell(sql, row, "git", 2, "dead-lettered")
    second, first = activity(crud, row_id=row)
    assert second["outcomes"] == {"k8s": "pending", "git": "failed"}
    assert first["outcomes"] == {"k8s": "synced", "git": "superseded"}

    crud.delete(f"/appconfigs/{row}")
    tell(sql, row, "k8s", 3, "deleted", deleted=True)
    third, second, _ = activity(crud, row_id=row)
    assert third["outcomes"] == {"k8s": "synced", "git": "pending"}
    assert second["outcomes"] == {"k8s": "superseded", "git": "failed"}


def test_it_can_be_narrowed_to_a_person_a_name_a_kind_and_an_outcome(
    crud: httpx.Client, new: New, sql: sa.Connection
) -> None:
    row = new("narrow-one")["id"]
    new("narrow-two")
    crud.patch(
        f"/appconfigs/{row}", json={"name": "renamed"}, headers=httpx.Headers({"x-rowcast-user": "Zoë"}, "utf-8")
    )
    tell(sql, row, "git", 2, "dead-lettered")

    assert [one["name"] for one in activity(crud, person="Zoë")] == ["renamed"]
    assert [one["name"] for one in activity(crud, name="NARROW")] == ["renamed", "narrow-two", "narrow-one"]
    assert [one["row_id"] for one in activity(crud, name="narrow", change="updated")] == [row]
    assert [one["generation"] for one in activity(crud, outcome="failed", row_id=row)] == [2]
    assert [one["generation"] for one in activity(crud, outcome="superseded", row_id=row)] == [1]
    assert activity(crud, outcome="synced", row_id=row) == []
    assert crud.get("/activity", params={"outcome": "lost"}).status_code == 422


def test_pages_follow_each_other_without_gap(crud: httpx.Client, new: New) -> None:
    row = new("paged")["id"]
    for branch in ("a", "b", "c"):
        crud.patch(f"/appconfigs/{row}", json={"branch": branch})
    first = crud.get("/activity", params={"row_id": row, "limit": 3}).json()

    second = crud.get("/activity", params={"row_id": row, "limit": 3, "cursor": first["next_cursor"]}).json()

    assert [one["generation"] for one in (*first["items"], *second["items"])] == [4, 3, 2, 1]
    assert second["next_cursor"] is None
    assert crud.get("/activity", params={"cursor": "nonsense"}).status_code == 422


def test_people_are_told_the_last_one_first(crud: httpx.Client, new: New) -> None:
    row = new("people")["id"]
    for person in ("eve", "mallory", "eve"):
        crud.patch(f"/appconfigs/{row}", json={"branch": f"of-{person}"}, headers={"x-rowcast-user": person})

    assert crud.get("/activity/people").json()["items"][:2] == ["eve", "mallory"]
