"""The engine's settings are the connector's, without what is Connect's."""

from __future__ import annotations

from pathlib import Path

from rowcast.capture.engine_settings import database_settings, engine_settings
from rowcast.connector.definition import read_definition

DATABASE = database_settings("db", 5432, "rowcast", "replicator", "secret", "verify-full", Path("/ca.pem"))
CONNECTOR = read_definition(topic_prefix="second", slot="second_slot").config
MADE = engine_settings(CONNECTOR, DATABASE, "second", Path("/offsets"))


def test_how_changes_are_captured_is_the_connectors_to_say() -> None:
    captured = ("slot.", "publication.", "snapshot.", "table.", "time.", "decimal.", "heartbeat.", "offset.mismatch")
    theirs = {key: value for key, value in CONNECTOR.items() if key.startswith(captured) and key != "slot.max.retries"}

    assert len(theirs) > 12
    assert theirs.items() <= MADE.items()
    assert MADE["topic.prefix"] == "second"
    assert MADE["slot.name"] == "second_slot"
    assert MADE["tombstones.on.delete"] == "false"


def test_what_is_connects_stays_there() -> None:
    assert [key for key in MADE if key.startswith(("producer.", "topic.creation.")) or key == "tasks.max"] == []
    assert "value.converter" not in MADE
    assert not any("${" in value for value in MADE.values())


def test_trying_again_is_ours() -> None:
    assert (MADE["errors.max.retries"], MADE["slot.max.retries"]) == ("0", "0")


def test_the_database_is_where_the_settings_say() -> None:
    assert DATABASE.items() <= MADE.items()
    assert MADE["database.sslrootcert"] == "/ca.pem"
    assert MADE["database.tcpKeepAlive"] == "true"
    assert MADE["offset.storage.file.filename"] == "/offsets"
