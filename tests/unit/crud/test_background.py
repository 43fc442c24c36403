"""What crud does again and again goes on whatever goes wrong, and says so once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from rowcast.core.errors import TransientError
from rowcast.crud.database import background

pytestmark = pytest.mark.anyio
PAUSE, NEXT = 7.0, 3.0


async def repeated(monkeypatch: pytest.MonkeyPatch, *outcomes: Exception | None) -> tuple[list[float], list[Any]]:
    """How long it waited after each of these, and what it logged."""
    waited: list[float] = []
    left = iter(outcomes)

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == len(outcomes):
            raise asyncio.CancelledError

    async def step() -> float:
        if (error := next(left)) is not None:
            raise error
        return NEXT

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with structlog.testing.capture_logs() as logged, pytest.raises(asyncio.CancelledError):
        await background.repeat(step, PAUSE, logger="rowcast.crud.test", waits="it waits", fails="it fails")
    return waited, [(each["log_level"], each["event"]) for each in logged]


async def test_a_step_says_when_it_comes_again_and_trouble_comes_again_after_the_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited, logged = await repeated(monkeypatch, None, TransientError("away"), ValueError("a bug"), None)
    assert waited == [NEXT, PAUSE, PAUSE, NEXT]
    assert logged == [("warning", "it waits"), ("error", "it fails")]


async def test_trouble_that_lasts_is_logged_once_and_anew_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    away, bug = TransientError("away"), ValueError("a bug")
    _, logged = await repeated(monkeypatch, away, TransientError("still away"), None, away, bug, bug, KeyError("x"))
    assert logged == [("warning", "it waits"), ("warning", "it waits"), ("error", "it fails"), ("error", "it fails")]
