"""Which application a configuration is: what its rows in several environments share, since no two share a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

New = Callable[..., dict[str, Any]]


def test_an_application_is_the_name_unless_it_was_given(crud: httpx.Client, new: New) -> None:
    assert new("shop")["application"] == "shop"
    other = new("shop-prod", environment="prod", application="shop")

    assert crud.get(f"/appconfigs/{other['id']}").json()["application"] == "shop"
    found = {row["name"]: row["application"] for row in crud.get("/appconfigs").json()["items"]}
    assert found["shop"] == found["shop-prod"] == "shop"


def test_another_application_is_a_change_with_a_generation_and_an_entry_in_the_history(
    crud: httpx.Client, new: New
) -> None:
    row = new("till")

    changed = crud.patch(f"/appconfigs/{row['id']}", json={"application": "cash"}).json()

    assert (changed["generation"], changed["application"]) == (2, "cash")
    [entry, _] = crud.get(f"/appconfigs/{row['id']}/history").json()["items"]
    assert (entry["before"]["application"], entry["after"]["application"]) == ("till", "cash")
    fields = crud.get("/activity").json()["items"][0]["fields"]
    assert fields == {"application": [None, "cash"]}


def test_what_says_the_same_is_no_change_and_what_leaves_it_out_keeps_it(crud: httpx.Client, new: New) -> None:
    row = new("cart")
    path = f"/appconfigs/{row['id']}"
    assert crud.patch(path, json={"application": "cart"}).json()["generation"] == 1
    assert crud.patch(path, json={"application": "basket"}).json()["generation"] == 2

    before = {name: row[name] for name in ("name", "repository_url", "branch", "environment")}
    assert crud.put(path, json=before).json()["application"] == "basket"


def test_a_row_that_is_renamed_stays_the_same_application(crud: httpx.Client, new: New) -> None:
    row = new("search")
    changed = crud.patch(f"/appconfigs/{row['id']}", json={"name": "search-eu"}).json()
    assert changed["application"] == "search"
    back = crud.patch(f"/appconfigs/{row['id']}", json={"name": "search"}).json()
    assert back["application"] == "search"


def test_an_export_has_it_and_can_be_imported_without_a_change(crud: httpx.Client, new: New) -> None:
    new("mail")
    new("mail-prod", environment="prod", application="mail")
    rows = crud.get("/appconfigs:export", params={"format": "json", "search": "mail"}).json()
    assert [row["application"] for row in rows] == ["mail", "mail"]

    report = crud.post("/appconfigs:import", json={"rows": rows}).json()
    assert (report["unchanged"], report["changed"]) == (2, 0)
    made = [{**rows[0], "name": "mail-test", "environment": "test"}]
    crud.post("/appconfigs:import", json={"rows": made}).raise_for_status()
    assert crud.get("/appconfigs", params={"search": "mail-test"}).json()["items"][0]["application"] == "mail"


def test_a_batch_that_swaps_names_leaves_each_row_its_application(crud: httpx.Client, new: New) -> None:
    one, other = new("red"), new("blue")
    items = [
        {"action": "update", "id": one["id"], "config": {"name": "blue"}},
        {"action": "update", "id": other["id"], "config": {"name": "red"}},
    ]
    made = crud.post("/appconfigs:batch", json={"items": items}).json()["items"]
    assert [(row["name"], row["application"]) for row in made] == [("blue", "red"), ("red", "blue")]


def test_what_is_no_label_is_refused(crud: httpx.Client, sql: sa.Connection, new: New) -> None:
    row = new("wrong")
    refused = crud.patch(f"/appconfigs/{row['id']}", json={"application": "Not One"})
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (422, "dns-1123-label")
    statement = sa.text("UPDATE app_configs SET application = 'Not One' WHERE id = :id")
    with pytest.raises(sa.exc.IntegrityError, match="app_configs_application_dns_1123_label"):
        sql.execute(statement, {"id": row["id"]})


def test_direct_sql_that_changes_nothing_else_is_a_change_as_well(
    crud: httpx.Client, sql: sa.Connection, new: New
) -> None:
    row = new("direct")
    sql.execute(sa.text("UPDATE app_configs SET application = 'sql' WHERE id = :id"), {"id": row["id"]})
    sql.execute(sa.text("UPDATE app_configs SET application = 'sql' WHERE id = :id"), {"id": row["id"]})
    found = crud.get(f"/appconfigs/{row['id']}").json()
    assert (found["generation"], found["application"]) == (2, "sql")
