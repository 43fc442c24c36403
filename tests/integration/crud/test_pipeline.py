"""`GET /pipeline` and the metrics on a real database; Connect and the sidecar are not there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from rowcast.crud.migrations.migrate import migrate

from .serving import make_settings, serving
from .test_sync_status import report, status

Row = dict[str, Any]


def stations(crud: httpx.Client) -> dict[str, Row]:
    answer = crud.get("/pipeline")
    assert answer.status_code == 200, answer.text
    return {station["name"]: station for station in answer.json()["stations"]}


def metrics(crud: httpx.Client) -> dict[str, float]:
    lines = [line for line in crud.get("/metrics").text.splitlines() if line.startswith("rowcast_")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


BREAKS = {
    "ALTER TABLE app_configs DISABLE TRIGGER app_configs_before": "trigger app_configs_before is disabled",
    "ALTER TABLE app_configs DISABLE TRIGGER ALL": "trigger app_configs_history is disabled",
    "ALTER TABLE app_configs ENABLE TRIGGER USER": "trigger app_configs_before fires for origin only",
    "ALTER TABLE app_configs ENABLE REPLICA TRIGGER app_configs_history": "app_configs_history fires for replicas only",
    "ALTER TABLE app_configs DISABLE TRIGGER app_configs_captured_update": "app_configs_captured_update is disabled",
    "ALTER TABLE rowcast_heartbeat DISABLE TRIGGER rowcast_heartbeat_mark": "rowcast_heartbeat_mark is disabled",
}
LOSSES = {
    "ALTER TABLE rowcast.rows REPLICA IDENTITY DEFAULT": "rows has replica identity DEFAULT, not FULL",
    "ALTER TABLE rowcast.rows REPLICA IDENTITY NOTHING": "rows has replica identity NOTHING",
    "ALTER TABLE rowcast.rows REPLICA IDENTITY USING INDEX rows_pkey": "replica identity an index",
    "DROP PUBLICATION rowcast": "there is no publication rowcast",
    "ALTER PUBLICATION rowcast DROP TABLE rowcast.rows": "publication rowcast leaves out rowcast.rows",
    "ALTER PUBLICATION rowcast DROP TABLE rowcast_heartbeat": "publication rowcast leaves out rowcast_heartbeat",
    "ALTER PUBLICATION rowcast SET (publish = 'insert')": "publication rowcast doesn't publish update, delete",
    "ALTER PUBLICATION rowcast SET TABLE rowcast.rows WHERE (NOT deleted), rowcast_heartbeat": (
        "publication rowcast has a row filter on rowcast.rows"
    ),
    "ALTER PUBLICATION rowcast SET TABLE rowcast.rows (renderer, key), rowcast_heartbeat": (
        "publication rowcast has a column list on rowcast.rows"
    ),
}


@pytest.mark.parametrize("statement", [*BREAKS, *LOSSES])
def test_what_capture_rests_on_is_named_when_it_is_broken_and_put_right_by_migrating(
    crud: httpx.Client, sql: sa.Connection, migrated_url: str, statement: str
) -> None:
    name, state, words = (
        ("database", "degraded", BREAKS[statement]) if statement in BREAKS else ("slot", "down", LOSSES[statement])
    )
    with slot(sql):
        sql.execute(sa.text(statement))
        broken = stations(crud)[name]
        migrate(make_settings(migrated_url))
        mended = stations(crud)[name]

    assert (broken["state"], broken["advice"]) == (state, "capture-setup")
    assert words in broken["message"]
    assert broken["page"] == "docs/how-to/watch-the-pipeline.md#capture-setup"
    assert mended["advice"] != "capture-setup"


@pytest.fixture(scope="module")
def impatient(migrated_url: str) -> Iterator[httpx.Client]:
    """crud for which everything is overdue at once."""
    with serving(make_settings(migrated_url, overdue_seconds=1e-6)) as client:
        yield client


@contextmanager
def slot(sql: sa.Connection) -> Iterator[None]:
    sql.execute(sa.text("SELECT pg_create_logical_replication_slot('rowcast', 'pgoutput')"))
    try:
        yield
    finally:
        sql.execute(sa.text("SELECT pg_drop_replication_slot('rowcast')"))


def test_a_missing_slot_is_down_and_says_which_recovery_applies(crud: httpx.Client) -> None:
    found = stations(crud)["slot"]

    assert (found["state"], found["advice"]) == ("down", "lost-slot")
    assert found["page"] == "docs/how-to/recover-from-lost-slot.md"
    assert metrics(crud)["rowcast_slot_present"] == 0


def test_a_slot_that_nobody_reads_says_how_much_waits_in_it(crud: httpx.Client, sql: sa.Connection) -> None:
    with slot(sql):
        found = stations(crud)["slot"]
        measured = metrics(crud)

    assert (found["state"], found["advice"]) == ("down", "slot-behind")
    assert "nobody reads the slot" in found["message"]
    assert found["facts"]["active"] is False
    assert measured["rowcast_slot_lag_bytes"] >= 0
    assert measured["rowcast_slot_active"] == 0


def test_the_mark_in_the_log_moves_on_only_when_the_slot_has_confirmed_it(sql: sa.Connection) -> None:
    beat = sa.text("UPDATE rowcast_heartbeat SET beat_at = now() RETURNING marked_lsn, marked_at")

    with slot(sql):
        first = sql.execute(beat).one()
        unconfirmed = sql.execute(beat).one()
        sql.execute(sa.text("SELECT pg_replication_slot_advance('rowcast', pg_current_wal_lsn())"))
        confirmed = sql.execute(beat).one()
    sql.execute(sa.text("UPDATE rowcast_heartbeat SET marked_lsn = NULL"))

    assert first == unconfirmed
    assert confirmed.marked_at > first.marked_at


def test_a_mark_of_another_server_is_made_anew(sql: sa.Connection) -> None:
    sql.execute(sa.text("ALTER TABLE rowcast_heartbeat DISABLE TRIGGER rowcast_heartbeat_mark"))
    sql.execute(sa.text("UPDATE rowcast_heartbeat SET marked_lsn = 'FFFF/0', marked_at = '2020-01-01'"))
    sql.execute(sa.text("ALTER TABLE rowcast_heartbeat ENABLE ALWAYS TRIGGER rowcast_heartbeat_mark"))

    sql.execute(sa.text("UPDATE rowcast_heartbeat SET beat_at = now()"))

    assert sql.execute(sa.text("SELECT marked_at > now() - interval '1 hour' FROM rowcast_heartbeat")).scalar_one()


def test_what_crud_was_not_told_about_is_unknown_and_does_not_count(crud: httpx.Client) -> None:
    found = stations(crud)

    assert (found["connector"]["state"], found["connector"]["configured"]) == ("unknown", False)
    assert "ROWCAST_CONNECT_URL" in found["connector"]["action"]
    assert not any("connector" in series for series in metrics(crud))


def test_a_sidecar_that_is_away_leaves_what_is_behind_it_unknown(crud: httpx.Client) -> None:
    found = stations(crud)

    assert found["sidecar"]["state"] == "down"
    assert {found[name]["state"] for name in ("sync-k8s", "target-k8s", "sync-git")} == {"unknown"}


def test_rows_are_counted_by_state_and_by_target(
    impatient: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> None:
    sql.execute(sa.text("DELETE FROM app_configs"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))
    rows = {name: new(name)["id"] for name in ("synced", "half", "failed", "gone")}
    for target in ("k8s", "git"):
        report(impatient, status(rows["synced"], 1), target=target)
    report(impatient, status(rows["half"], 1), status(rows["failed"], 1, "dead-lettered", error="no"))
    impatient.delete(f"/appconfigs/{rows['gone']}")

    station = stations(impatient)["rows"]
    facts = station["facts"]
    measured = metrics(impatient)

    assert (facts["rows"], facts["synced"], facts["failed"], facts["pending"]) == (3, 1, 1, 1)
    assert (facts["targets"]["git"]["pending"], facts["targets"]["git"]["overdue"]) == (2, 2)
    assert (facts["targets"]["k8s"]["pending"], facts["targets"]["k8s"]["failed"]) == (0, 1)
    assert facts["deletions"]["pending"] == 1
    assert station["message"].startswith(
        f"overdue: 2 rows at git, 1 deletion; the oldest is appconfigs/{rows['half']}, for "
    )
    assert facts["by_renderer"]["appconfigs"]["targets"] == facts["targets"]
    assert facts["failed_row"] == f"appconfigs/{rows['failed']}"
    ours = 'renderer="appconfigs"'
    assert measured[f'rowcast_rows{{{ours},state="synced"}}'] == 1
    assert measured[f'rowcast_overdue_rows{{{ours},target="git"}}'] == 2
    assert abs(measured[f'rowcast_oldest_pending_timestamp_seconds{{{ours},target="git"}}'] - time.time()) < 60
    assert measured[f'rowcast_oldest_pending_timestamp_seconds{{{ours},target="k8s"}}'] == 0
    assert measured[f"rowcast_deletions{{{ours}}}"] == 1


def test_a_database_that_is_away_is_said_at_once_and_has_no_figures() -> None:
    with serving(make_settings("postgresql://nobody:none@127.0.0.1:1/none")) as crud:
        found = stations(crud)
        measured = metrics(crud)

    assert found["database"]["state"] == "down"
    assert "refused" in found["database"]["message"]
    assert {found[name]["state"] for name in ("rows", "slot", "dead-letters")} == {"unknown"}
    assert not any(series.startswith(("rowcast_rows", "rowcast_slot")) for series in measured)
    assert measured['rowcast_station_state{state="down",station="database"}'] == 1


def test_a_connect_that_is_something_else_is_down_in_words(migrated_url: str, crud: httpx.Client) -> None:
    with serving(make_settings(migrated_url, connect_url=str(crud.base_url))) as other:
        found = stations(other)

    assert found["connect"]["state"] == "down"
    assert found["connector"]["state"] == "unknown"
