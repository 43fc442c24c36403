"""`GET /pipeline` and the metrics of rows that aren't configurations, and of tables that aren't captured any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.crud.serving import make_settings, serving
from integration.crud.test_pipeline import metrics, stations
from integration.crud.test_sync_status import report

from .conftest import Place
from .test_apply import DECLARATION, apply

WITH_ORDERS = DECLARATION.replace(
    "key: [id]}", "key: [id], with: {orders: {table: public.orders, on: {shop: id}, columns: [item]}}}"
)


@pytest.fixture
def shops(migrated_url: str) -> Iterator[Place]:
    place = Place(migrated_url)
    place.run(
        "CREATE TABLE shops (id bigint PRIMARY KEY, size int NOT NULL)",
        "CREATE TABLE orders (id int PRIMARY KEY, shop bigint REFERENCES shops ON DELETE CASCADE, item text)",
        "INSERT INTO shops SELECT number, 5 FROM generate_series(1, 4) AS number",
    )
    yield place
    place.run(
        "DROP TABLE IF EXISTS shops, orders CASCADE",
        *(f"DELETE FROM rowcast.{table}" for table in ("rows", "statuses", "sources", "renderers")),
        "DELETE FROM dead_letters",
    )


@pytest.fixture(scope="module")
def impatient(migrated_url: str) -> Iterator[httpx.Client]:
    """crud for which everything is overdue at once."""
    with serving(make_settings(migrated_url, overdue_seconds=1e-6)) as client:
        yield client


def status(key: str, outcome: str = "created", **more: Any) -> dict[str, Any]:
    told = {"renderer": "shops", "key": key, "generation": 1, "outcome": outcome, "deleted": False}
    return told | {"delivered_at": "2026-11-29T06:00:00Z"} | more


def test_rows_of_every_renderer_are_counted_and_what_waits_is_named(
    impatient: httpx.Client, shops: Place, tmp_path: Path
) -> None:
    apply(shops, tmp_path)
    for target in ("k8s", "git"):
        report(impatient, status("1"), status("4"), target=target)
    report(impatient, status("2", "dead-lettered", error="no"), target="k8s")
    shops.run("DELETE FROM shops WHERE id = 4", "UPDATE rowcast.rows SET changed_at = '2026-01-01' WHERE key = '3'")

    station = stations(impatient)["rows"]
    facts, theirs = station["facts"], station["facts"]["by_renderer"]["shops"]
    measured = metrics(impatient)

    one, [listed] = impatient.get("/renderers/shops").json(), impatient.get("/renderers").json()["items"]
    assert {**one, "counted_at": listed["counted_at"]} == {**listed, "text": one["text"]}
    assert [one[name] for name in ("rows", "failed", "pending", "fault")] == [3, 1, 1, None]
    assert one["counted_at"] is not None
    assert list(facts["by_renderer"]) == ["appconfigs", "shops"]
    assert [theirs[name] for name in ("rows", "synced", "failed", "pending")] == [3, 1, 1, 1]
    assert [facts[name] for name in ("rows", "synced", "failed", "pending")] == [3, 1, 1, 1]
    assert facts["by_renderer"]["appconfigs"]["rows"] == 0
    assert theirs["failed_row"] == "shops/2"
    git = theirs["targets"]["git"]
    assert (git["pending"], git["overdue"], git["failed"], git["oldest_pending_row"]) == (2, 2, 0, "shops/3")
    assert (theirs["targets"]["k8s"]["pending"], theirs["targets"]["k8s"]["failed"]) == (1, 1)
    assert (theirs["deletions"]["pending"], theirs["deletions"]["oldest_pending_row"]) == (1, "shops/4")
    assert station["message"].startswith(
        "overdue: 1 row of shops at k8s, 2 rows of shops at git, 1 deletion of shops; the oldest is shops/3, for "
    )
    assert measured['rowcast_rows{renderer="shops",state="synced"}'] == 1
    assert measured['rowcast_rows{renderer="appconfigs",state="synced"}'] == 0
    assert measured['rowcast_overdue_rows{renderer="shops",target="git"}'] == 2
    assert measured['rowcast_overdue_deletions{renderer="shops"}'] == 1
    assert abs(measured["rowcast_rows_counted_timestamp_seconds"] - time.time()) < 60


def test_what_a_target_has_deleted_or_never_heard_of_waits_for_nothing(
    impatient: httpx.Client, shops: Place, tmp_path: Path
) -> None:
    apply(shops, tmp_path)
    for target in ("k8s", "git"):
        report(impatient, *(status(key) for key in "123"), target=target)
    shops.run("DELETE FROM shops WHERE id IN (3, 4)")
    gone = status("3", "deleted", generation=2, deleted=True)
    report(impatient, gone, target="k8s")
    report(impatient, gone | {"stage": "proposed", "link": "https://git.example/1"}, target="git")

    proposed = stations(impatient)["rows"]["facts"]["by_renderer"]["shops"]
    report(impatient, gone | {"delivered_at": "2026-11-29T06:01:00Z"}, target="git")
    merged = stations(impatient)["rows"]["facts"]["by_renderer"]["shops"]

    assert (proposed["rows"], proposed["synced"], proposed["deletions"]["pending"]) == (2, 2, 1)
    assert merged["deletions"]["pending"] == 0


def test_a_key_that_no_target_can_take_is_of_a_row_that_is_refused(
    impatient: httpx.Client, shops: Place, tmp_path: Path
) -> None:
    apply(shops, tmp_path)
    shops.run(f"UPDATE rowcast.rows SET key = '{'k' * 3000}' WHERE key = '1'")

    theirs = stations(impatient)["rows"]["facts"]["by_renderer"]["shops"]

    assert (theirs["failed"], theirs["pending"]) == (1, 3)


def test_a_renderers_dead_letters_are_counted_and_the_oldest_is_named(
    crud: httpx.Client, shops: Place, tmp_path: Path
) -> None:
    apply(shops, tmp_path)
    for key, at in (("2", "06:00"), ("1", "05:00")):
        letter: dict[str, Any] = {
            "renderer": "shops",
            "key": key,
            "target": "k8s",
            "reason": "expression",
            "error": "spec.name: no",
        }
        letter |= {"event": {"key": key}, "dead_lettered_at": f"2026-11-29T{at}:00Z", "generation": 1}
        body = {"specversion": "1.0", "id": key, "type": "t", "source": "s", "data": letter}
        assert crud.post("/events/dead-letters", json=body).status_code == 200

    station = stations(crud)["dead-letters"]
    measured = metrics(crud)

    assert station["message"].endswith(": shops/1")
    assert station["facts"]["by_renderer"]["shops"]["targets"] == {"k8s": 2}
    assert measured['rowcast_dead_letters_open{renderer="shops",target="k8s"}'] == 2
    assert measured['rowcast_dead_letters_open{renderer="shops",target="git"}'] == 0
    assert measured['rowcast_dead_letters_open{renderer="appconfigs",target="git"}'] == 0
    assert measured['rowcast_dead_letters_received_total{reason="expression",renderer="shops",target="k8s"}'] == 2


TRIGGER = '"rowcast/shops/source/update"'
BREAKS = {
    "DROP TABLE shops CASCADE": "shops: there is no table public.shops any more",
    "ALTER TABLE shops DROP size": "shops: public.shops has no column size any more",
    "ALTER TABLE shops RENAME size TO width": "shops: public.shops has no column size any more",
    "ALTER TABLE shops ALTER size TYPE text": "shops: column size of public.shops is string now, and was int",
    "ALTER TABLE orders DROP item": "shops: public.orders has no column item any more",
    "ALTER TABLE orders RENAME shop TO of": "shops: public.orders has no column shop any more",
    f"ALTER TABLE shops DISABLE TRIGGER {TRIGGER}": "shops: a trigger on public.shops disabled: rowcast/shops/source/",
    "ALTER TABLE orders DISABLE TRIGGER USER": "shops: triggers on public.orders disabled: rowcast/shops/with/",
    f"ALTER TABLE shops ENABLE TRIGGER {TRIGGER}": "shops: a trigger on public.shops for origin only: rowcast/shops/",
    f"ALTER TABLE shops ENABLE REPLICA TRIGGER {TRIGGER}": "shops: a trigger on public.shops for replicas only: rowc",
    f"DROP TRIGGER {TRIGGER} ON shops": "shops: no trigger on public.shops captures UPDATE",
    'DROP FUNCTION rowcast."shops/source" CASCADE': "no trigger on public.shops captures INSERT, UPDATE, DELETE, TRUNC",
    "DROP TABLE orders; CREATE TABLE orders (id int PRIMARY KEY, shop bigint, item text)": "no trigger on public.order",
    "CREATE TABLE closed () INHERITS (shops)": "shops: rows of public.closed, which inherits from public.shops, are",
    "DELETE FROM rowcast.renderers": "shops: its table is captured, and there is no declaration",
    "UPDATE rowcast.sources SET fault = 'column x is gone'": "shops: changes were not captured: column x is gone",
}


@pytest.mark.parametrize("statement", BREAKS)
def test_a_table_that_is_not_captured_any_more_is_named_with_its_renderer(
    crud: httpx.Client, shops: Place, tmp_path: Path, statement: str
) -> None:
    apply(shops, tmp_path, WITH_ORDERS)
    well = stations(crud)["sources"]
    before = metrics(crud)

    shops.run(statement)
    broken = stations(crud)["sources"]

    assert (well["state"], well["facts"]) == (
        "ok",
        {"renderers": {"shops": {"table": "public.shops", "revision": 1, "faults": [], "unknown_environments": 0}}},
    )
    assert (broken["state"], broken["advice"]) == ("degraded", "source-changed")
    assert BREAKS[statement] in broken["message"]
    assert before['rowcast_source_faults{renderer="shops"}'] == 0
    assert before['rowcast_rows_of_unknown_environment{renderer="shops"}'] == 0
    assert metrics(crud)['rowcast_source_faults{renderer="shops"}'] > 0


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE shops ADD colour text", "ALTER TABLE shops ALTER size DROP NOT NULL", "TRUNCATE orders"],
)
def test_a_table_that_was_changed_and_is_captured_as_before_is_well(
    crud: httpx.Client, shops: Place, tmp_path: Path, statement: str
) -> None:
    apply(shops, tmp_path, WITH_ORDERS)
    shops.run(statement)
    assert stations(crud)["sources"]["state"] == "ok"


def test_a_partition_whose_trigger_is_disabled_is_seen(crud: httpx.Client, shops: Place, tmp_path: Path) -> None:
    shops.run(
        "DROP TABLE shops CASCADE",
        "CREATE TABLE shops (id bigint PRIMARY KEY, size int NOT NULL) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF shops FOR VALUES FROM (1) TO (100)",
    )
    apply(shops, tmp_path)
    well = stations(crud)["sources"]["state"]
    shops.run("ALTER TABLE low DISABLE TRIGGER USER")

    assert well == "ok"
    assert "a trigger on public.shops disabled: rowcast/shops/source/row" in stations(crud)["sources"]["message"]


def test_without_a_renderer_there_is_no_station_of_its_tables(crud: httpx.Client) -> None:
    assert "sources" not in stations(crud)
    assert list(stations(crud)["rows"]["facts"]["by_renderer"]) == ["appconfigs"]


def test_a_list_that_counts_nothing_looks_at_no_table_and_has_what_triggers_have_noted(
    crud: httpx.Client, shops: Place, tmp_path: Path
) -> None:
    """sync-k8s asks for it every ten seconds."""
    apply(shops, tmp_path)
    shops.run("ALTER TABLE shops RENAME size TO width")

    def fault(**params: str) -> str:
        [one] = crud.get("/renderers", params=params).json()["items"]
        return one["fault"] or ""

    assert "no column size any more" in fault()
    assert fault(counts="false") == ""
    shops.run("UPDATE shops SET width = 9")
    assert "does not exist" in fault(counts="false")
