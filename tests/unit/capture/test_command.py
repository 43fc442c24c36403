"""`rowcast capture status` and `resnapshot`: what they say, and their exit codes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from rowcast.capture.cli import lines, lsn
from rowcast.cli import app

FACTS = {
    "engine": "3.6.3.Final",
    "state": "RETRYING",
    "error": "the database: refused",
    "offsets_known": True,
    "lsn": 0x1_0000_00A0,
    "snapshot": False,
    "published": 7,
    "last_published_at": None,
    "waiting_since": "2026-11-28T12:00:00.000+00:00",
    "broker": {"error": None, "kind": "redis", "version": "7.0.0", "topics": []},
}


@pytest.mark.parametrize("command", ["status", "resnapshot"])
def test_where_nobody_answers_is_one_line_with_the_address(command: str) -> None:
    ran = CliRunner().invoke(app, ["capture", command, "--url", "http://127.0.0.1:1"])

    assert ran.exit_code == 1
    assert ran.stderr.startswith("rowcast: no answer from http://127.0.0.1:1: ")
    assert len(ran.stderr.splitlines()) == 1


def test_what_is_wrong_and_what_waits_is_in_the_lines() -> None:
    assert list(lines(FACTS)) == [
        "capture RETRYING: the database: refused",
        "engine: Debezium 3.6.3.Final",
        "position: 1/A0",
        "published: 7 since its start, the last one at -",
        "waiting: an event that the broker hasn't taken, since 2026-11-28T12:00:00.000+00:00",
        "broker: redis 7.0.0",
    ]


def test_a_place_in_the_log_is_written_as_postgresql_does() -> None:
    assert lsn(29187736) == "0/1BD5E98"
