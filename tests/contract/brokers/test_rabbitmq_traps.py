"""What RabbitMQ behind Dapr does that nobody expects, and what is done about it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiormq
import pytest

from contract.brokers.native import ask, group, prepare
from contract.brokers.servers import Server
from contract.brokers.sidecar import Application, event, sidecar
from rowcast.core.broker import Broker
from rowcast.core.errors import PermanentError, TransientError
from world import wait_until

KIND = "rabbitmq"
CHANGES = "public.app_configs"
AN_EVENT = 150
"""Bytes: less than an event has, and more than heartbeats."""


def bodies(*numbers: int) -> list[bytes]:
    return [json.dumps(event(number)).encode() for number in numbers]


def drained(broker: Server, queue: str) -> list[int]:
    async def draining() -> list[int]:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        numbers = []
        while (got := await channel.basic_get(queue, no_ack=True)).body:
            numbers.append(json.loads(got.body)["data"])
        await connection.close()
        return numbers

    return asyncio.run(draining())


async def publish(broker: Broker, topic: str, events: list[bytes]) -> None:
    assert broker.publisher is not None
    await broker.publisher.publish(topic, events)


def test_dapr_reports_as_done_what_the_broker_never_confirmed(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    topic = f"{prefix}.{CHANGES}"
    with sidecar(broker, "capture", tmp_path, prefix) as capture, ThreadPoolExecutor() as others:
        assert capture.publish(topic, event(1)).status_code == 204
        broker.pause()
        publishing = others.submit(capture.publish, topic, event(2))
        wait_until(lambda: broker.has_unread(AN_EVENT))
        broker.kill()
        broker.start()
        assert publishing.result().status_code == 204
        assert "did not receive confirmation" in capture.log
        wait_until(lambda: capture.publish(topic, event(3)).is_success)
    # A queue says nothing of itself while it starts again.
    wait_until(lambda: group(broker, prefix, CHANGES, "sync-k8s").lag == 2)
    assert drained(broker, f"sync-k8s-{topic}") == [1, 3]


def test_our_own_publisher_knows_what_was_not_confirmed_and_brings_it_the_next_time(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}.{CHANGES}"

    async def publishing(native: Broker) -> None:
        await native.prepare()
        await publish(native, topic, bodies(1))
        broker.pause()
        waiting = asyncio.create_task(publish(native, topic, bodies(2, 3)))
        await asyncio.to_thread(wait_until, lambda: broker.has_unread(AN_EVENT))
        broker.kill()
        with pytest.raises(TransientError):
            await waiting
        with pytest.raises(TransientError, match="does not answer"):
            await publish(native, topic, bodies(2, 3))
        await asyncio.to_thread(broker.start)
        await publish(native, topic, bodies(2, 3))

    ask(broker, prefix, publishing)
    reader = Application([topic])
    with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
        wait_until(lambda: set(reader.data) == {1, 2, 3}, lambda: str(reader.data))


def test_what_our_publisher_brings_in_one_go_arrives_in_order(broker: Server, prefix: str, tmp_path: Path) -> None:
    topic = f"{prefix}.{CHANGES}"

    async def publishing(native: Broker) -> None:
        await native.prepare()
        await publish(native, topic, bodies(*range(500)))

    ask(broker, prefix, publishing)
    assert drained(broker, f"sync-k8s-{topic}") == list(range(500))


def test_dapr_reports_as_done_what_has_no_queue_and_our_publisher_says_so(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}.{CHANGES}"
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        assert capture.publish(topic, event(1)).status_code == 204

    async def publishing(native: Broker) -> None:
        with pytest.raises(TransientError, match="no queue takes what is published"):
            await publish(native, topic, bodies(2))
        await native.prepare()
        await publish(native, topic, bodies(2))

    ask(broker, prefix, publishing)
    assert group(broker, prefix, CHANGES, "sync-k8s").lag == 1


def test_a_queue_of_another_type_is_refused_by_name_field_and_value(broker: Server, prefix: str) -> None:
    queue = f"sync-k8s-{prefix}.{CHANGES}"

    async def declare() -> None:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
        await connection.close()

    asyncio.run(declare())
    with pytest.raises(PermanentError, match=rf"queue {queue} has x-queue-type .*classic.*, and .*quorum.* is needed"):
        prepare(broker, prefix)
