"""What the connector's file must hold whoever edits it: the settings that keep capture from losing events unseen."""

import re

import pytest

from rowcast.connector.definition import read_definition

CONFIG = read_definition().config


def test_every_place_and_credential_is_a_reference() -> None:
    places = {
        setting: value for setting, value in CONFIG.items() if re.match(r"database[.](host|port|db|user|pass)", setting)
    }
    assert len(places) == 5
    assert all(re.fullmatch(r"[$]{env:ROWCAST_CAPTURE_DB_[A-Z]+}", value) for value in places.values())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("publication.autocreate.mode", "disabled"),
        ("slot.drop.on.stop", "false"),
        ("slot.failover", "true"),
        ("offset.mismatch.strategy", "trust_offset"),
        ("lsn.flush.mode", "connector"),
        ("errors.max.retries", "-1"),
        ("errors.tolerance", "none"),
        ("event.processing.failure.handling.mode", "fail"),
        ("producer.override.acks", "all"),
        ("tombstones.on.delete", "false"),
    ],
)
def test_a_setting_against_silent_loss_stays(setting: str, value: str) -> None:
    assert CONFIG[setting] == value


def test_an_idle_table_holds_back_no_wal() -> None:
    assert int(CONFIG["heartbeat.interval.ms"]) > 0
    assert "public.rowcast_heartbeat" in CONFIG["heartbeat.action.query"]


def test_all_values_are_text_as_connect_keeps_them() -> None:
    assert all(isinstance(value, str) for value in CONFIG.values())
