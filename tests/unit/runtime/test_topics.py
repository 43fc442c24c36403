"""Platforms that share a broker differ in what their topics begin with, in all of their services."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from rowcast.connector.definition import read_definition
from rowcast.crud.app import create_app as crud_app
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.settings import Settings
from rowcast.sync.app import create_app as sync_app
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.memory import MemoryTarget

PREFIX = "team-a.rowcast"
CAPTURED = f"{PREFIX}.public.app_configs"


def topics(app: FastAPI) -> list[str]:
    async def ask() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http:
            return (await http.get("/dapr/subscribe")).json()

    return [one["topic"] for one in asyncio.run(ask())]


def test_crud_hears_what_sync_tells() -> None:
    settings = CrudSettings.model_validate({"database_url": "postgresql://nowhere/none", "topic_prefix": PREFIX})

    assert set(topics(crud_app(settings))) == {f"{PREFIX}.sync-status", f"{PREFIX}.dead-letters"}


@pytest.mark.parametrize("target", ["k8s", "git"])
def test_sync_hears_what_the_connector_captures_and_crud_replays(target: str) -> None:
    settings = SyncSettings.model_validate(
        {"target": target, "topic_prefix": PREFIX, "git_url": "/remote", "git_cache": "/cache"}
    )

    assert topics(sync_app(settings, MemoryTarget())) == [CAPTURED, f"{PREFIX}.replay.{target}"]
    assert read_definition(topic_prefix=PREFIX).config["topic.prefix"] == PREFIX
    assert (settings.status_topic, settings.dead_letter_topic) == (f"{PREFIX}.sync-status", f"{PREFIX}.dead-letters")


@pytest.mark.parametrize("wrong", ["", "a b", "-a", "a/b", "x" * 200])
def test_a_prefix_that_no_topic_could_have_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="topic_prefix"):
        Settings(topic_prefix=wrong)
