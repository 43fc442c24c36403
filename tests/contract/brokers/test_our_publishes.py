"""What crud and sync publish, through a real daprd to each real broker: what is refused for its size, and what counts
as another message.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contract.brokers.native import prepare
from contract.brokers.servers import KINDS, Server
from contract.brokers.sidecar import sidecar
from contract.brokers.test_broker_contract import MIB, REFUSED_MIB, settled
from rowcast.core.errors import TooLargeError
from rowcast.core.messages import replay_message
from rowcast.runtime.dapr import DaprPublisher
from rowcast.sync.settings import SyncSettings

pytestmark = pytest.mark.parametrize("broker", KINDS, indirect=True, scope="module")


def published(port: int, topic: str, *messages: object, raw: bool = False) -> list[str | None]:
    """What was wrong with each, None for what the broker has taken."""

    async def publish() -> list[str | None]:
        settings = SyncSettings.given({"target": "k8s", "dapr_http_port": port})
        errors: list[str | None] = []
        async with DaprPublisher(settings, time_limit=60) as publisher:
            for message in messages:
                try:
                    await publisher.publish(topic, message, {"rawPayload": "true"} if raw else {})
                    errors.append(None)
                except TooLargeError:
                    errors.append("too large")
        return errors

    return asyncio.run(publish())


def test_what_the_broker_refuses_for_its_size_is_known_as_that(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    large = "x" * int(REFUSED_MIB[broker.kind] * MIB)
    with sidecar(broker, "sync-k8s", tmp_path, prefix) as daprd:
        assert published(daprd.port, f"{prefix}.dead-letters", {"event": large}, {"event": "x"}) == ["too large", None]


def test_an_event_that_is_replayed_twice_is_two_messages(broker: Server, prefix: str, tmp_path: Path) -> None:
    """JetStream drops what has the id of a message that it has seen within two minutes."""
    prepare(broker, prefix)
    event = {"specversion": "1.0", "id": "the same", "source": "s", "type": "t", "data": 1}
    replays = [replay_message(event, number, f"{number:032x}") for number in (1, 2)]
    with sidecar(broker, "crud", tmp_path, prefix) as daprd:
        assert published(daprd.port, f"{prefix}.replay.k8s", *replays, raw=True) == [None, None]
    settled(broker, prefix, "replay.k8s", "sync-k8s", 2)


def test_a_dead_letter_that_is_published_twice_is_two_messages(broker: Server, prefix: str, tmp_path: Path) -> None:
    """It is crud that knows them as one, by the message's own id."""
    prepare(broker, prefix)
    letter = {"id": "the same", "message_id": "a" * 32, "event": {"id": "the same"}}
    with sidecar(broker, "sync-k8s", tmp_path, prefix) as daprd:
        assert published(daprd.port, f"{prefix}.dead-letters", letter, letter) == [None, None]
    settled(broker, prefix, "dead-letters", "crud", 2)
