"""What is published of a record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from rowcast.capture.events import ORIGINAL_ID, Event, Record, events, letters, row_key
from rowcast.core.events import decode
from rowcast.crud.dead_letters.message import DeadLetter

SAME = "name:rowcast;lsn:1;txId:7"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def record(row_id: int = 1, topic: str = "rowcast.public.app_configs", **fields: Any) -> Record:
    row = {
        "id": row_id,
        "name": "checkout",
        "repository_url": "https://git.example.com/checkout.git",
        "branch": "main",
        "environment": "dev",
        "generation": 9007199254740991,
        "created_at": "2026-11-22T15:42:27.284000Z",
        "updated_at": "2026-11-22T15:42:27.284000Z",
        "updated_by": "alice",
        **fields,
    }
    value = {
        "id": SAME,
        "source": "/debezium/postgresql/rowcast",
        "specversion": "1.0",
        "time": "2026-11-22T15:42:27.284Z",
        "iodebeziumop": "r",
        "iodebeziumlsn": "1",
        "iodebeziumtable": "app_configs",
        "data": {"before": None, "after": row},
    }
    return Record(topic, f'{{"id":{row_id}}}', orjson.dumps(value).decode())


def test_rows_of_a_snapshot_which_have_one_id_get_each_their_own() -> None:
    made = events([record(1), record(2), record(3)], "run", 5)

    assert [event.id for event in made] == ["run-5", "run-6", "run-7"]
    bodies = [orjson.loads(event.body) for event in made]
    assert [body["id"] for body in bodies] == ["run-5", "run-6", "run-7"]
    assert {body[ORIGINAL_ID] for body in bodies} == {SAME}


def test_nothing_but_the_id_is_another() -> None:
    before = record(updated_by="ünïcode 🚀 <&>")
    (event,) = events([before], "run", 0)

    body = orjson.loads(event.body)
    assert before.value
    body["id"] = body.pop(ORIGINAL_ID)
    assert body == orjson.loads(before.value)
    assert decode(body).state.generation == 9007199254740991


def test_heartbeats_and_tombstones_are_no_events_but_count() -> None:
    beat = Record("__debezium-heartbeat.rowcast", '{"serverName":"rowcast"}', "{}")
    made = events([beat, Record("rowcast.public.app_configs", '{"id":1}', None), record(4)], "run", 0)

    assert [(event.id, event.key) for event in made] == [("run-2", "appconfigs/4")]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ('{"id":42}', "appconfigs/42"),
        ('{"renderer":"tenants","key":"42"}', "tenants/42"),
        ('{"key":"[\\"eu\\", \\"4/2\\"]","renderer":"tenants"}', 'tenants/["eu", "4/2"]'),
        ('{"a":1,"b":2}', '{"a":1,"b":2}'),
        ("7", "7"),
        (None, ""),
    ],
)
def test_the_key_is_the_row(key: str | None, expected: str) -> None:
    assert row_key(key) == expected


def captured(key: str = "42", **fields: Any) -> Record:
    """A record of `rowcast.rows`, on the one topic."""
    row = {"renderer": "tenants", "key": key, "generation": 3, "revision": 1, "deleted": False, "row": "{}", **fields}
    value = {"id": SAME, "iodebeziumop": "u", "iodebeziumtable": "rows", "data": {"before": None, "after": row}}
    # As Java has it: half a character is an escape.
    return Record("rowcast.public.app_configs", f'{{"renderer":"tenants","key":"{key}"}}', json.dumps(value))


def test_rows_of_both_tables_go_by_their_renderer_and_key() -> None:
    made = events([record(42), captured("42")], "run", 0)

    assert [event.key for event in made] == ["appconfigs/42", "tenants/42"]


def test_half_a_character_where_the_connector_has_cut_a_row_stops_nobody() -> None:
    (event,) = events([captured(row='{"emoji": "\N{ROCKET}\ud83d', actor="ünïcode")], "run", 0)

    after = orjson.loads(event.body)["data"]["after"]
    assert (after["row"], after["actor"]) == ('{"emoji": "\N{ROCKET}?', "ünïcode")


def test_what_is_too_large_is_told_to_every_target_without_itself() -> None:
    (event,) = events([record(4, name="n" * 5000)], "run", 0)

    told = letters(event, ("k8s", "git"), "e" * 5000, "2026-11-28T12:00:00.000+00:00")

    assert [letter["target"] for letter in told] == ["k8s", "git"]
    assert {letter["reason"] for letter in told} == {"too-large"}
    identity = ("appconfigs", "4", 9007199254740991)
    assert [(letter["renderer"], letter["key"], letter["generation"]) for letter in told] == [identity] * 2
    assert all(len(orjson.dumps(letter)) < 4096 for letter in told)


def test_a_row_of_any_table_is_told_with_its_renderer_and_key_and_no_name() -> None:
    (event,) = events([captured("42")], "run", 0)

    (letter,) = letters(event, ("k8s",), "why", "now")

    assert (letter["renderer"], letter["key"], letter["name"], letter["generation"]) == ("tenants", "42", None, 3)


def test_letters_of_two_rows_whose_events_have_the_same_size_are_two_letters_to_crud() -> None:
    made = events([captured("41"), captured("42")], "run", 0)
    assert len(made[0].body) == len(made[1].body)

    (one,), (other,) = (letters(event, ("k8s",), "why", "now") for event in made)

    keys = [DeadLetter.model_validate({**each, "dead_lettered_at": NOW}).event_key for each in (one, other)]
    assert len(set(keys)) == 2


def test_a_deleted_row_is_named_by_what_it_was() -> None:
    body = orjson.dumps({"id": "x", "data": {"before": {"id": 3, "name": "gone", "generation": 2}, "after": None}})

    (letter,) = letters(Event("topic", "3", "x", body), ("k8s",), "why", "now")

    assert (letter["renderer"], letter["key"], letter["name"], letter["generation"]) == ("appconfigs", "3", "gone", 2)
