"""When crud ends its sidecar because nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from rowcast.core.broker import BrokerFacts, GroupFacts, TopicFacts
from rowcast.core.capture import EngineFacts
from rowcast.core.errors import TransientError
from rowcast.crud.deaf_sidecar import is_unread, watch
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.settings import Settings

TOPIC = "rowcast.sync-status"
RUNNING = EngineFacts("3.6.3", "RUNNING", None, True, 1, False, 0, None, None, None, None)


def facts(consumers: int | None) -> BrokerFacts:
    return BrokerFacts("jetstream", topics=(TopicFacts(TOPIC, groups=(GroupFacts("crud", consumers=consumers),)),))


class Capture:
    def __init__(self, answers: list[int | TransientError | None]) -> None:
        self._answers: Iterator[int | TransientError | None] = iter(answers)

    async def facts(self) -> EngineFacts:
        answer = next(self._answers, None)
        if isinstance(answer, TransientError):
            raise answer
        return replace(RUNNING, broker=facts(answer))

    async def aclose(self) -> None:
        pass


def ended(*answers: int | TransientError | None) -> int:
    """How often the sidecar was ended while the broker said this."""
    asked: list[str] = []
    left = len(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(204)

    async def sleep(_: float) -> None:
        nonlocal left
        if left == 0:
            raise asyncio.CancelledError
        left -= 1

    async def go() -> None:
        async with DaprPublisher(Settings(), transport=httpx.MockTransport(answer)) as sidecar:
            await watch(Capture(list(answers)), sidecar, TOPIC, sleep=sleep)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(go())
    assert set(asked) <= {"/v1.0/shutdown"}
    return len(asked)


def test_a_sidecar_that_twice_does_not_read_is_ended_once() -> None:
    assert ended(0, 0, 1) == 1


def test_one_that_reads_again_at_the_second_look_is_left_alone() -> None:
    assert ended(0, 1, 0, 1) == 0


def test_what_the_broker_does_not_tell_is_no_reason() -> None:
    assert ended(None, None, None) == 0
    assert not is_unread(None, TOPIC)
    assert not is_unread(BrokerFacts("redis"), TOPIC)


def test_while_capture_does_not_answer_nothing_is_concluded() -> None:
    assert ended(0, TransientError("away"), TransientError("away"), 1) == 0
