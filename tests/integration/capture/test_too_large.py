"""An event that will never be taken for its size is a dead letter, said aloud, and the next ones go on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import captured_rows
from world import wait_until

from .place import CHANGES, DEAD_LETTERS, Place


@pytest.fixture
def narrow() -> Iterator[Place]:
    """A sidecar that takes 4 KiB. One lane: all rows' events are in their order, and behind what is too large."""
    one_lane = {"ROWCAST_CAPTURE_LANES": "1"}
    one = Place(Path(tempfile.mkdtemp(prefix="rowcast-capture-")), settings=one_lane, largest="4Ki")
    try:
        one.prepare()
        one.start()
        yield one
    finally:
        one.end()


def letters(place: Place) -> list[dict[str, Any]]:
    entries = place.redis.xrange(DEAD_LETTERS)
    return [json.loads(fields[b"data"])["data"] for _, fields in entries]


def test_a_row_that_is_too_large_is_told_to_both_targets_and_holds_nobody_up(narrow: Place) -> None:
    narrow.insert("small-", 1)
    with narrow.sql() as cursor:
        cursor.execute(
            "INSERT INTO app_configs (name, repository_url, environment)"
            " VALUES ('large', 'https://git.example.com/' || repeat('x', 1900), 'dev')"
        )
        cursor.execute("UPDATE app_configs SET branch = 'other' WHERE name = 'large'")
    narrow.insert("after-", 1)

    wait_until(lambda: len(letters(narrow)) == 2, narrow.capture.text)
    wait_until(lambda: len(narrow.arrived()) == 3, narrow.capture.text)
    assert [(one["target"], one["reason"], one["name"], one["generation"]) for one in letters(narrow)] == [
        ("k8s", "too-large", "large", 2),
        ("git", "too-large", "large", 2),
    ]
    arrived = captured_rows.configurations(narrow.arrived())
    assert [change.state.name for change in arrived] == ["small-1", "large", "after-1"]
    facts = narrow.told()
    assert (facts["dead_lettered"], facts["published"], facts["waiting_since"]) == (1, 3, None)


def test_a_row_of_any_table_that_is_too_large_is_told_by_its_renderer_and_key(narrow: Place) -> None:
    with narrow.sql() as cursor:
        captured_rows.write(cursor, "tenants", "large", {"text": "x" * 5000})
        captured_rows.write(cursor, "tenants", "small", {"text": "x"})

    wait_until(lambda: len(letters(narrow)) == 2, narrow.capture.text)
    wait_until(lambda: len(narrow.arrived()) == 1, narrow.capture.text)
    assert [
        (one["target"], one["renderer"], one["key"], one["name"], one["generation"]) for one in letters(narrow)
    ] == [
        ("k8s", "tenants", "large", None, 1),
        ("git", "tenants", "large", None, 1),
    ]
    assert narrow.arrived()[0]["data"]["after"]["key"] == "small"


def test_a_backlog_of_large_rows_goes_through_the_heap_that_there_is() -> None:
    """More than a hundred MiB of rows in one transaction, and read again from the table, with 192 MiB of heap."""
    one = Place(Path(tempfile.mkdtemp(prefix="rowcast-capture-")))
    try:
        one.prepare()
        one.start()
        with one.sql() as cursor:
            cursor.execute(
                "INSERT INTO rowcast.rows (renderer, key, generation, revision, deleted, row, changed_at)"
                " SELECT 'tenants', n, 1, 1, false, jsonb_build_object('text', repeat('x', 60000)), now()"
                " FROM generate_series(1, 3000) AS n"
            )
        wait_until(lambda: one.redis.xlen(CHANGES) == 3000, one.capture.text)
        one.redis.delete(CHANGES)
        httpx.post(one.facts.replace("facts", "resnapshot")).raise_for_status()
        wait_until(lambda: one.redis.xlen(CHANGES) == 3000, one.capture.text)
        assert one.capture.running
    finally:
        one.end()
