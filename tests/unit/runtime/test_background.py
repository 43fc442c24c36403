"""What goes on beside requests: it is heard of when it fails."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from rowcast.runtime import background

pytestmark = pytest.mark.anyio


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


async def fails() -> None:
    raise KeyError("a bug")


async def test_what_fails_ends_the_process_and_says_why(
    signals: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = background.begin([fails(), asyncio.sleep(3600)])
    with pytest.raises(KeyError):
        await tasks[0]
    await asyncio.sleep(0)
    assert signals == [(os.getpid(), signal.SIGTERM)]
    await background.end(tasks)
    assert all(task.done() for task in tasks)


async def test_what_ends_as_it_should_or_is_cancelled_ends_nothing(signals: list[tuple[int, int]]) -> None:
    tasks = background.begin([asyncio.sleep(0), asyncio.sleep(3600)])
    await tasks[0]
    tasks[1].cancel()
    await background.end(tasks)
    assert signals == []
