"""What the engine of `rowcast capture` says of a change is what Kafka Connect says of it; only the id is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kafka import KafkaConsumer, TopicPartition

from rowcast_local.platform import Platform
from rowcast_local.ports import HOST, free_ports
from world import World, wait_until

TOPIC = "rowcast.public.app_configs"
SLOT = "form"


@contextmanager
def sidecar(bodies: list[dict[str, Any]]) -> Iterator[int]:
    """Takes what is published, instead of a broker; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._empty()

        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._empty()

        def _empty(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def capturing(world: World, platform: Platform, port: int, log: Path) -> Iterator[None]:
    """Beside Connect, by a slot of its own, which goes in the end."""
    database = urlsplit(world.env["ROWCAST_DATABASE_URL"])
    environment = {
        "ROWCAST_CAPTURE_DB_HOST": database.hostname or "",
        "ROWCAST_CAPTURE_DB_PORT": str(database.port),
        "ROWCAST_CAPTURE_DB_USER": database.username or "",
        "ROWCAST_CAPTURE_DB_PASSWORD": database.password or "",
        "ROWCAST_CAPTURE_SLOT": SLOT,
        "ROWCAST_CAPTURE_JARS": str(platform.toolbox.class_path.folder),
        "ROWCAST_JAVA_HOME": str(platform.toolbox.java.resolve().parents[1]),
        "ROWCAST_HTTP_PORT": str(next(free_ports())),
        "DAPR_HTTP_PORT": str(port),
    }
    command = (sys.executable, "-c", "from rowcast.cli import app; app()", "capture", "serve")
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
        with world.sql(autocommit=True) as cursor:
            cursor.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))
            cursor.execute("DELETE FROM rowcast_capture_offsets WHERE slot_name = %s", (SLOT,))


def of_connect(platform: Platform, since: Mapping[TopicPartition, int], name: str) -> list[Mapping[str, Any]]:
    """The events of a row that Connect has written since a place in the topic, in their order.

    Not those before: other tests put there what no JSON parser takes.
    """
    with reader(platform) as consumer:
        for partition, offset in since.items():
            consumer.seek(partition, offset)
        return named([json.loads(message.value) for message in consumer], name)


def end_of_topic(platform: Platform) -> dict[TopicPartition, int]:
    with reader(platform) as consumer:
        return dict(consumer.end_offsets(list(consumer.assignment())))


@contextmanager
def reader(platform: Platform) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(bootstrap_servers=platform.blueprint.kafka.bootstrap, consumer_timeout_ms=3000)
    try:
        consumer.assign([TopicPartition(TOPIC, each) for each in consumer.partitions_for_topic(TOPIC)])
        yield consumer
    finally:
        consumer.close()


def named(events: list[dict[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [each for each in events if (each["data"]["after"] or each["data"]["before"])["name"] == name]


def test_but_for_the_id_the_engines_event_is_connects(world: World, platform: Platform, tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []
    log = tmp_path / "capture.log"
    world.create("form-before")
    world.settled()
    with sidecar(bodies) as port, capturing(world, platform, port, log):
        wait_until(lambda: len(named(bodies, "form-before")) == 1, log.read_text)
        since = end_of_topic(platform)
        with world.sql(autocommit=True) as cursor:
            cursor.execute("SET rowcast.actor = 'ünïcode <&> 🚀'")
            cursor.execute(
                "INSERT INTO app_configs (name, repository_url, environment)"
                " VALUES ('form', 'https://git.example.com/form.git', 'dev')"
            )
            cursor.execute("UPDATE app_configs SET branch = 'release' WHERE name = 'form'")
            cursor.execute("DELETE FROM app_configs WHERE name = 'form'")
        wait_until(lambda: len(named(bodies, "form")) == 3, log.read_text)
    wait_until(lambda: len(of_connect(platform, since, "form")) == 3)

    for ours, theirs in zip(named(bodies, "form"), of_connect(platform, since, "form"), strict=True):
        engines = {key: value for key, value in ours.items() if key not in ("id", "debeziumid")}
        connects = {key: value for key, value in theirs.items() if key != "id"}
        assert json.dumps(engines) == json.dumps(connects)
        assert ours["debeziumid"] == theirs["id"]
