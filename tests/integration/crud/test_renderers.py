"""Renderers and the rows of any table, as the API shows them and as sync reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from integration.crud.test_sync_status import report
from rowcast.crud.deliveries import outstanding

SHAPE = {"columns": {"id": {"type": "int", "nullable": False}}, "related": {}}


@pytest.fixture(autouse=True)
def tenants(sql: sa.Connection) -> Iterator[None]:
    for revision in (1, 2):
        sql.execute(
            sa.text(
                'INSERT INTO rowcast.renderers (name, revision, "text", shape, sha256, applied_by)'
                " VALUES ('tenants', :revision, 'kind: Renderer', CAST(:shape AS jsonb), 'abc', 'ada')"
            ),
            {"revision": revision, "shape": json.dumps(SHAPE)},
        )
    for key, deleted in (("1", False), ("a/b,ü", False), ("gone", True)):
        save(sql, key, 3, deleted=deleted)
    yield
    for table in ("rows", "renderers", "statuses", "sources"):
        sql.execute(sa.text(f"DELETE FROM rowcast.{table}"))


def save(sql: sa.Connection, key: str, generation: int, *, deleted: bool = False) -> None:
    sql.execute(
        sa.text(
            "INSERT INTO rowcast.rows (renderer, key, generation, revision, deleted, row, actor, changed_at)"
            " VALUES ('tenants', :key, :generation, 2, :deleted, CAST(:row AS jsonb), 'ann', now())"
            " ON CONFLICT (renderer, key) DO UPDATE SET generation = :generation, deleted = :deleted"
        ),
        {"key": key, "generation": generation, "deleted": deleted, "row": json.dumps({"id": 1, "slug": f"s-{key}"})},
    )


def status(key: str, generation: int, outcome: str = "created", **more: Any) -> dict[str, Any]:
    told = {"renderer": "tenants", "key": key, "generation": generation, "outcome": outcome, "deleted": False}
    return told | {"delivered_at": "2026-11-29T06:00:00Z"} | more


def of(crud: httpx.Client, key: str) -> dict[str, Any]:
    answer = crud.get(f"/renderers/tenants/rows/{key}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_renderer_is_listed_at_its_newest_revision_with_its_rows(crud: httpx.Client) -> None:
    (one,) = crud.get("/renderers").json()["items"]
    assert (one["name"], one["revision"], one["rows"], one["fault"], one["deleted"]) == ("tenants", 2, 2, None, True)
    assert (one["pending"], one["failed"]) == (2, 0)
    (named,) = crud.get("/renderers", params={"counts": "false"}).json()["items"]
    assert named == one | dict.fromkeys(("rows", "pending", "failed", "counted_at"))
    assert crud.get("/renderers/tenants").json()["text"] == "kind: Renderer"
    assert [r["revision"] for r in crud.get("/renderers/tenants/revisions").json()["items"]] == [2, 1]
    assert crud.get("/renderers/tenants/revisions/1").json()["shape"] == SHAPE


@pytest.mark.parametrize(
    "path",
    ["/renderers/none", "/renderers/none/rows", "/renderers/tenants/revisions/3", "/renderers/tenants/rows/none"],
)
def test_what_is_not_there_is_not_found(crud: httpx.Client, path: str) -> None:
    assert crud.get(path).status_code == 404


def test_rows_come_in_pages_with_what_became_of_them(crud: httpx.Client) -> None:
    assert report(crud, status("1", 3), target="k8s").status_code == 200
    first = crud.get("/renderers/tenants/rows", params={"limit": 1}).json()
    rest = crud.get("/renderers/tenants/rows", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [row["key"] for row in (*first["items"], *rest["items"])] == ["1", "a/b,ü"]
    assert (first["total"], rest["next_cursor"]) == (2, None)
    (row,) = first["items"]
    assert (row["generation"], row["revision"], row["row"]) == (3, 2, {"id": 1, "slug": "s-1"})
    assert {name: one["state"] for name, one in row["targets"].items()} == {"k8s": "synced", "git": "pending"}


@pytest.mark.parametrize(
    ("params", "keys"),
    [
        ({"search": "S-A"}, ["a/b,ü"]),
        ({"search": "nothing"}, []),
        ({"state": "failed"}, ["1"]),
        ({"state": "pending"}, ["a/b,ü"]),
        ({"state": "synced"}, []),
        ({"state": "deleted"}, ["gone"]),
    ],
)
@pytest.mark.parametrize("few", [outstanding.FEW, 0])
def test_rows_are_found_by_their_values_and_by_their_state(
    crud: httpx.Client, monkeypatch: pytest.MonkeyPatch, few: int, params: dict[str, str], keys: list[str]
) -> None:
    monkeypatch.setattr(outstanding, "FEW", few)
    report(crud, status("1", 3, "dead-lettered", error="no"), target="k8s")
    assert [row["key"] for row in crud.get("/renderers/tenants/rows", params=params).json()["items"]] == keys


def test_a_row_that_waits_for_a_target_besides_is_pending_as_a_configuration_is(
    crud: httpx.Client, sql: sa.Connection
) -> None:
    for target in ("k8s", "git", "besides"):
        report(crud, status("1", 3), target=target)
    save(sql, "1", 4)
    for target in ("k8s", "git"):
        report(crud, status("1", 4), target=target)

    def listed(state: str) -> list[str]:
        return [row["key"] for row in crud.get("/renderers/tenants/rows", params={"state": state}).json()["items"]]

    assert ("1" in listed("pending"), "1" in listed("synced")) == (True, False)
    report(crud, status("1", 4), target="besides")
    assert ("1" in listed("pending"), "1" in listed("synced")) == (False, True)


def test_a_status_is_kept_past_the_same_guards_as_a_configurations(crud: httpx.Client, sql: sa.Connection) -> None:
    report(crud, status("1", 3), target="k8s")
    report(crud, status("1", 2, "configured"), target="k8s")
    at_k8s = of(crud, "1")["targets"]["k8s"]
    assert (at_k8s["observed_generation"], at_k8s["outcome"]) == (3, "created")

    save(sql, "1", 4)
    report(crud, status("1", 4, "retrying", error="its namespace is not there"), target="k8s")
    at_k8s = of(crud, "1")["targets"]["k8s"]
    assert (at_k8s["state"], at_k8s["error"]) == ("pending", "its namespace is not there")

    save(sql, "1", 5, deleted=True)
    report(crud, status("1", 5, "deleted", deleted=True), target="k8s")
    assert of(crud, "1")["targets"]["k8s"]["state"] == "synced"


def lines(crud: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    answer = crud.get("/rows:snapshot", params=params)
    assert answer.status_code == 200, answer.text
    moment, *rows, end = [json.loads(line) for line in answer.text.splitlines()]
    assert (moment["rows"], end) == (len(rows), {"end": True, "rows": len(rows)})
    return rows


def test_a_snapshot_has_the_rows_of_all_tables_that_are_there(crud: httpx.Client) -> None:
    made = crud.post(
        "/appconfigs",
        json={"name": "of-rows", "repository_url": "https://g.example/a.git", "branch": "main", "environment": "dev"},
    ).json()

    ours, *others = lines(crud)

    assert (ours["renderer"], ours["key"], ours["name"]) == ("appconfigs", str(made["id"]), "of-rows")
    assert [
        (one["renderer"], one["key"], one["generation"], one["revision"], one["row"]["slug"]) for one in others
    ] == [
        ("tenants", "1", 3, 2, "s-1"),
        ("tenants", "a/b,ü", 3, 2, "s-a/b,ü"),
    ]
    named = lines(crud, row=["tenants/a/b,ü", f"appconfigs/{made['id']}", "tenants/gone"], sync="true")
    assert [one["key"] for one in named] == [str(made["id"]), "a/b,ü"]
    assert all(set(one["sync"]) == {"k8s", "git"} for one in named)
    assert [one["key"] for one in lines(crud, row="tenants/1")] == ["1"]
    crud.delete(f"/appconfigs/{made['id']}")


@pytest.mark.parametrize("row", ["tenants", "/1", "appconfigs/x", "tenants/"])
def test_a_row_that_is_not_named_as_one_is_refused(crud: httpx.Client, row: str) -> None:
    answer = crud.get("/rows:snapshot", params={"row": row})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "row")


def test_late_rows_are_those_that_a_target_has_not_told_of(crud: httpx.Client, sql: sa.Connection) -> None:
    report(crud, status("1", 3), target="k8s")
    report(crud, status("gone", 2), target="k8s")

    def late(**params: Any) -> list[tuple[str, bool]]:
        answer = crud.get("/rows:late", params={"target": "k8s", "seconds": 0, **params})
        assert answer.status_code == 200, answer.text
        return [(one["key"], one["deleted"]) for one in answer.json()["rows"] if one["renderer"] == "tenants"]

    assert late() == [("a/b,ü", False), ("gone", True)]
    assert late(after="tenants/a/b,ü") == [("gone", True)]
    assert late(seconds=60) == []


def test_a_dead_letter_names_its_row(crud: httpx.Client) -> None:
    letter = {
        "renderer": "tenants",
        "key": "1",
        "name": "acme",
        "generation": 3,
        "target": "k8s",
        "reason": "expression",
        "error": "spec.name: no",
        "event": {"a": 1},
        "dead_lettered_at": "2026-11-29T06:00:00Z",
    }
    body = {"specversion": "1.0", "id": "x", "type": "t", "source": "s", "data": letter}
    assert crud.post("/events/dead-letters", json=body).status_code == 200

    (found,) = crud.get("/deadletters", params={"renderer": "tenants", "key": "1"}).json()["items"]

    assert (found["renderer"], found["key"], found["row_id"]) == ("tenants", "1", None)
    assert crud.get("/deadletters", params={"renderer": "tenants", "key": "2"}).json()["items"] == []
    crud.post(f"/deadletters/{found['id']}:discard", json={"reason": "a test"})


@pytest.mark.parametrize("key", ["", "k" * 3000], ids=["empty", "long"])
def test_a_row_whose_key_nobody_can_take_keeps_no_other_from_being_read(
    crud: httpx.Client, sql: sa.Connection, key: str
) -> None:
    """Its event is a dead letter, which says so."""
    save(sql, key, 1)

    assert [one["key"] for one in lines(crud)] == ["1", "a/b,ü"]
    answer = crud.get("/rows:late", params={"target": "k8s", "seconds": 0}).json()
    assert [one["key"] for one in answer["rows"] if one["renderer"] == "tenants"] == ["1", "a/b,ü"]


def test_a_number_that_only_the_database_can_hold_keeps_no_row_from_being_read(
    crud: httpx.Client, sql: sa.Connection
) -> None:
    huge = sa.text("UPDATE rowcast.rows SET row = jsonb_build_object('x', 1e400::numeric, 'id', 7) WHERE key = '1'")
    sql.execute(huge)

    assert [one["key"] for one in lines(crud)] == ["1", "a/b,ü"]
    assert crud.get("/renderers/tenants/rows").json()["total"] == 2
    assert of(crud, "1")["row"] == {"x": None, "id": 7}
