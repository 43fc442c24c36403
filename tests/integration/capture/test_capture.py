"""What has been committed arrives at the broker, once and in its rows' order, in a form that sync reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

import captured_rows
from rowcast.core.events import decode
from rowcast_local.ports import HOST
from world import wait_until

from .place import Place, in_order


def rowcast(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", "from rowcast.cli import app; app()", "capture", *arguments)
    url = ("--url", f"http://{HOST}:{place.http_port}")
    return subprocess.run((*command, *url), capture_output=True, text=True, timeout=60)


def settled(place: Place) -> None:
    wait_until(lambda: place.newest() == place.table(), place.capture.text)


def test_inserts_updates_and_deletions_arrive_in_order(place: Place) -> None:
    place.insert("ordered-", 20)
    with place.sql() as cursor:
        for branch in ("one", "two", "three"):
            cursor.execute("UPDATE app_configs SET branch = %s", (branch,))
        cursor.execute("DELETE FROM app_configs WHERE name LIKE '%7'")
    settled(place)

    rows = in_order(place.arrived())
    assert all(generations == sorted(generations) for generations in rows.values())
    assert {len(generations) for generations in rows.values()} == {4, 5}


def test_rows_of_any_table_arrive_beside_them_in_order_and_again_when_asked_for(place: Place) -> None:
    settled(place)
    row = {"price": "12345678901234567890.0123456789", "tags": ["ü", None, "🚀"], "text": os.urandom(8000).hex()}
    with place.sql() as cursor:
        for key in map(str, range(20)):
            captured_rows.write(cursor, "tenants", key, row, "ünïcode")
        place.insert("beside-", 5)
        for revision in (2, 3):
            for key in map(str, range(20)):
                captured_rows.revise(cursor, "tenants", key, revision)
        captured_rows.revise(cursor, "tenants", "7", 3, deleted=True)

    def rows(op: str) -> list[dict[str, Any]]:
        data = [event["data"] for event in place.arrived() if event["iodebeziumop"] == op]
        return [each for each in data if (each["after"] or each["before"])["renderer"] == "tenants"]

    wait_until(lambda: (len(rows("c")), len(rows("u"))) == (20, 41), place.capture.text)
    settled(place)
    for key in map(str, range(20)):
        states = [data["after"] for data in (*rows("c"), *rows("u")) if data["after"]["key"] == key]
        # What an update leaves as it is arrives whole, though it is kept out of line.
        assert [json.loads(state["row"]) for state in states] == [row] * len(states)
        assert [(state["generation"], state["revision"], state["deleted"]) for state in states] == [
            (1, 1, False),
            (2, 2, False),
            (3, 3, False),
            *([(4, 3, True)] if key == "7" else []),
        ]

    assert rowcast(place, "resnapshot").returncode == 0
    wait_until(lambda: len(rows("r")) == 20, place.capture.text)
    with place.sql() as cursor:
        cursor.execute("DELETE FROM rowcast.rows WHERE renderer = 'tenants'")
    wait_until(lambda: len(rows("d")) == 20, place.capture.text)


def test_every_event_has_an_id_of_its_own_and_decodes(place: Place) -> None:
    settled(place)
    arrived = place.arrived()

    assert len({event["id"] for event in arrived}) == len(arrived) > 20
    assert {event["iodebeziumtable"] for event in arrived} == {"rows"}
    changes = [decode(event) for event in arrived]
    assert {change.op.value for change in changes} >= {"c", "u", "d"}
    assert all(change.saved_at for change in changes)


def test_heartbeats_move_the_position_and_are_not_published(place: Place) -> None:
    with place.sql() as cursor:
        cursor.execute("SELECT saved_at FROM rowcast_capture_offsets")
        ((before,),) = cursor.fetchall()

        def moved() -> bool:
            cursor.execute("SELECT saved_at > %s FROM rowcast_capture_offsets", (before,))
            ((later,),) = cursor.fetchall()
            return bool(later)

        wait_until(moved)

    assert place.redis.keys("*heartbeat*") == []


def test_the_slot_is_never_confirmed_beyond_the_position_that_is_kept(place: Place) -> None:
    place.insert("confirmed-", 50)
    settled(place)
    with place.sql() as cursor:
        cursor.execute(
            "SELECT (position->>'lsn')::numeric >= confirmed_flush_lsn - '0/0'::pg_lsn"
            " FROM rowcast_capture_offsets JOIN pg_replication_slots USING (slot_name)"
        )
        assert cursor.fetchall() == [(True,)]


def test_asked_to_it_reads_the_whole_table_again(place: Place) -> None:
    settled(place)
    rows, before = place.captured(), len(place.arrived())

    ran = rowcast(place, "resnapshot")

    assert (ran.returncode, ran.stderr) == (0, "")
    wait_until(lambda: len(place.arrived()) == before + rows, place.capture.text)
    again = place.arrived()[before:]
    assert {event["iodebeziumop"] for event in again} == {"r"}
    assert len({event["id"] for event in again}) == rows
    place.insert("after-a-snapshot-", 1)
    settled(place)


def test_its_status_is_told_in_words(place: Place) -> None:
    place.wait_running()
    ran = rowcast(place, "status")

    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "capture RUNNING"
    assert lines[1] == "engine: Debezium 3.6.3.Final"
    assert lines[-1].startswith("broker: redis 6")


def test_metrics_and_facts_agree(place: Place) -> None:
    facts = place.told()
    text = httpx.get(f"http://{HOST}:{place.http_port}/metrics").text

    assert f"rowcast_capture_published_total {float(facts['published'])}" in text
    assert "rowcast_capture_running 1.0" in text
    assert "waiting_since_timestamp_seconds{" not in text
    assert facts["broker"]["error"] is None
    assert {topic["name"] for topic in facts["broker"]["topics"]} >= {"rowcast.public.app_configs"}


def test_a_position_that_is_lost_brings_all_rows_again(place: Place) -> None:
    settled(place)
    place.capture.end()
    with place.sql() as cursor:
        cursor.execute("DELETE FROM rowcast_capture_offsets")
    rows, before = place.captured(), len(place.arrived())

    place.start()

    wait_until(lambda: len(place.arrived()) == before + rows, place.capture.text)


def test_what_went_to_another_broker_comes_again(place: Place) -> None:
    settled(place)
    place.capture.end()
    with place.sql() as cursor:
        kept = "jsonb_set(position::jsonb, '{rowcast_broker}', '\"kafka\"')"
        cursor.execute(f"UPDATE rowcast_capture_offsets SET position = {kept} RETURNING position->>'lsn'")
        assert cursor.fetchone() != (None,)
    rows, before = place.captured(), len(place.arrived())

    place.start()

    wait_until(lambda: len(place.arrived()) == before + rows, place.capture.text)
    settled(place)


def test_reading_the_whole_table_it_makes_the_slot_anew(place: Place) -> None:
    """An offset that somebody else keeps is older than the slot then."""
    settled(place)
    place.capture.end()
    with place.sql() as cursor:
        cursor.execute("DELETE FROM rowcast_capture_offsets")
        cursor.execute("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'rowcast'")
        (confirmed,) = cursor.fetchone() or ("0/0",)
    rows, before = place.captured(), len(place.arrived())

    place.start()

    wait_until(lambda: len(place.arrived()) == before + rows, place.capture.text)
    with place.sql() as cursor:
        cursor.execute("SELECT restart_lsn >= %s FROM pg_replication_slots WHERE slot_name = 'rowcast'", (confirmed,))
        assert cursor.fetchall() == [(True,)]


def test_ended_and_started_it_goes_on_where_it_was(place: Place) -> None:
    settled(place)
    before = len(place.arrived())
    assert place.capture.end() == 0
    place.insert("while-it-was-away-", 3)

    place.start()

    settled(place)
    assert len(place.arrived()) == before + 3


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_drop_replication_slot('rowcast')",
        "SELECT pg_replication_slot_advance('rowcast', pg_current_wal_lsn())",
    ],
    ids=["gone", "moved on"],
)
def test_a_slot_that_is_gone_or_was_moved_on_brings_all_rows_again(place: Place, statement: str) -> None:
    settled(place)
    place.capture.end()
    place.insert(f"unseen-{len(statement)}-", 2)
    with place.sql() as cursor:
        cursor.execute(statement)
    rows, before = place.captured(), len(place.arrived())

    place.start()

    wait_until(lambda: len(place.arrived()) == before + rows, place.capture.text)
    settled(place)
