"""What the connector's file must hold whoever edits it: the settings that keep capture from losing events unseen."""

import re

import pytest

from rowcast.connector.definition import read_definition
from rowcast.runtime.exits import UsageError

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


def test_neighbours_on_one_server_one_broker_and_one_connect_differ_in_three_names() -> None:
    ours, theirs = read_definition(), read_definition(name="two", topic_prefix="second", slot="second_slot")

    differences = {key: value for key, value in theirs.config.items() if ours.config[key] != value}
    assert (theirs.name, differences) == ("two", {"topic.prefix": "second", "slot.name": "second_slot"})


def test_settings_of_an_own_server_are_put_in() -> None:
    settings = ["database.sslmode=verify-full", "topic.creation.default.partitions=12", "x=a=b", "y="]

    config = read_definition(settings=settings).config

    assert [config[key] for key in ("database.sslmode", "x", "y")] == ["verify-full", "a=b", ""]
    assert config["topic.creation.default.partitions"] == "12"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("database.sslmode", "key=value"),
        ("=x", "key=value"),
        ("slot.name=mine", "use --slot"),
        ("topic.prefix=mine", "use --topic-prefix"),
        ("tombstones.on.delete=true", "relies on"),
        ("value.converter=org.example.Other", "relies on"),
        ("table.include.list=public.other", "relies on"),
        ("publication.name=other", "relies on"),
        ("database.password=hunter2", "reference"),
    ],
)
def test_what_would_lose_events_or_show_a_secret_is_refused(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        read_definition(settings=[setting])
    assert "hunter2" not in str(refused.value)
