"""What JetStream behind Dapr does that nobody expects, and what is done about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import StorageType

from contract.brokers.native import ask, group, prepare, topic
from contract.brokers.servers import Server, server
from contract.brokers.sidecar import Application, event, sidecar
from rowcast.brokers.jetstream import ACK_SECONDS, stream_name
from rowcast.core.broker import RETENTION_SECONDS
from rowcast.core.errors import PermanentError
from rowcast_local.part import Part
from rowcast_local.ports import HOST
from world import wait_until

KIND = "jetstream"
CHANGES = "public.app_configs"


def with_jetstream(broker: Server, action: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    async def acting() -> Any:
        client = await nats.connect(broker.url)
        try:
            return await action(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(acting())


def test_events_with_one_id_are_kept_once_though_each_publish_is_answered_as_done(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        answers = [capture.publish(f"{prefix}.{CHANGES}", event(7, data)).status_code for data in ("first", "second")]
        assert answers == [204, 204]
        assert topic(broker, prefix, CHANGES).messages == 1
        capture.publish(f"{prefix}.{CHANGES}", event(8, "third"))
    assert topic(broker, prefix, CHANGES).messages == 2


def test_one_at_a_time_keeps_the_order(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"])
    with (
        sidecar(broker, "sync-k8s", tmp_path, prefix, reader),
        sidecar(broker, "capture", tmp_path, prefix) as capture,
    ):
        for number in range(50):
            capture.publish(f"{prefix}.{CHANGES}", event(number))
        wait_until(lambda: len(reader.seen) == 50, lambda: str(reader.data))
    assert reader.data == list(range(50))


def test_a_consumer_with_other_settings_is_changed_in_place_and_keeps_its_place(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    stream = stream_name(f"{prefix}.{CHANGES}")

    async def change(jetstream: JetStreamContext) -> None:
        found = (await jetstream.consumer_info(stream, "sync-k8s")).config
        await jetstream.add_consumer(stream, found.evolve(ack_wait=45.0, max_ack_pending=500))

    reader = Application([f"{prefix}.{CHANGES}"])
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        capture.publish(f"{prefix}.{CHANGES}", event(1))
        with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
            wait_until(lambda: group(broker, prefix, CHANGES, "sync-k8s").unanswered == 0 and bool(reader.seen))
        with_jetstream(broker, change)
        prepare(broker, prefix)
        capture.publish(f"{prefix}.{CHANGES}", event(2))
        with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
            wait_until(lambda: reader.data == [1, 2], lambda: str(reader.data))
    found = with_jetstream(broker, lambda jetstream: jetstream.consumer_info(stream, "sync-k8s")).config
    assert (found.ack_wait, found.max_ack_pending) == (ACK_SECONDS, 1)


def test_a_stream_that_forgets_in_a_crash_is_refused_by_name_field_and_value(broker: Server, prefix: str) -> None:
    name = f"{prefix}.{CHANGES}"
    with_jetstream(
        broker,
        lambda jetstream: jetstream.add_stream(name=stream_name(name), subjects=[name], storage=StorageType.MEMORY),
    )
    with pytest.raises(PermanentError, match=rf"stream {stream_name(name)} .* has storage memory, and file is needed"):
        prepare(broker, prefix)


def test_a_stream_is_kept_for_a_week(broker: Server, prefix: str) -> None:
    prepare(broker, prefix)
    assert topic(broker, prefix, CHANGES).retention_seconds == RETENTION_SECONDS


def test_a_user_without_rights_is_refused_for_good_and_told_what_is_missing(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever may not ask gets no answer, however long they wait.
    monkeypatch.setattr("rowcast.brokers.jetstream.SECONDS", 1.0)
    closed = server(KIND, tmp_path)
    (part,) = closed.parts
    file = Path(part.program.command[-1])

    def prepared() -> None:
        part.prepare()
        settings = json.loads(file.read_text())
        settings["authorization"]["users"] = [
            {"user": "few", "password": "secret", "permissions": {"publish": "test.>", "subscribe": "_INBOX.>"}}
        ]
        del settings["authorization"]["user"], settings["authorization"]["password"]
        file.write_text(json.dumps(settings))

    closed.parts = [Part(part.program, part.ready, prepared, part.port)]
    try:
        closed.start()
        url = f"nats://few:secret@{HOST}:{part.port}"
        with pytest.raises(PermanentError, match="does not allow stream") as raised:
            ask(closed, prefix, lambda each: each.prepare(), url)
    finally:
        closed.stop()
    assert raised.value.reason == "broker-forbidden"
