"""Capture's settings, read from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rowcast.capture.settings import CaptureSettings

NEEDED = {"capture_db_host": "db", "capture_jars": "/jars", "java_home": "/java"}


def made(**given: object) -> CaptureSettings:
    return CaptureSettings.model_validate({**NEEDED, **given})


@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "jetstream"])
def test_where_the_broker_is_has_to_be_told_where_events_are_dropped_without_a_queue(broker: str) -> None:
    with pytest.raises(ValidationError, match=f"required for ROWCAST_BROKER={broker}"):
        made(broker=broker)
    assert made(broker=broker, broker_url_file="/url").broker == broker
    assert made().broker == "kafka"


@pytest.mark.parametrize("name", ["capture_db_password", "broker_url"])
def test_a_secret_is_given_once(name: str) -> None:
    with pytest.raises(ValidationError, match=f"ROWCAST_{name.upper()}_FILE: only one of the two"):
        made(**{name: "a", f"{name}_file": "/b"})


def test_a_password_in_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "password"
    settings = made(capture_db_password_file=file)
    for password in ("first", "second"):
        file.write_text(f"{password}\n")
        assert settings.password == password
