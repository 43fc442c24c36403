"""An event that will never be taken for its size is a dead letter, said aloud, and the next ones go on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from world import wait_until

from .place import DEAD_LETTERS, Place


@pytest.fixture
def narrow() -> Iterator[Place]:
    """A sidecar that takes 4 KiB."""
    one = Place(Path(tempfile.mkdtemp(prefix="rowcast-capture-")), largest="4Ki")
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
    assert [event["data"]["after"]["name"] for event in narrow.arrived()] == ["small-1", "large", "after-1"]
    facts = narrow.told()
    assert (facts["dead_lettered"], facts["published"], facts["waiting_since"]) == (1, 3, None)
