"""What the engine of `rowcast capture` says of a change is what Kafka Connect says of it; only the id is another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import captured_rows
from rowcast_local.platform import Platform
from rowcast_local.ports import HOST, free_ports
from world import World, done, wait_until

from .changes import end_of_topic, messages

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
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
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


def named(events: list[dict[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [each for each in events if (its := captured_rows.configuration(each)) and its.name == name]


def of_renderer(events: list[dict[str, Any]], renderer: str) -> list[Mapping[str, Any]]:
    return [each for each in events if (each["data"]["after"] or each["data"]["before"]).get("renderer") == renderer]


def of_engine(event: Mapping[str, Any]) -> tuple[str, str]:
    """What the engine says of a change, in its order, and Debezium's id of it."""
    said = {name: value for name, value in event.items() if name not in ("id", "debeziumid")}
    return json.dumps(said), place_of(event["debeziumid"])


def of_connect(event: Mapping[str, Any]) -> tuple[str, str]:
    """The same of Connect's."""
    return json.dumps({name: value for name, value in event.items() if name != "id"}), place_of(event["id"])


def place_of(debezium_id: str) -> str:
    """The id without the commit that its reader has seen last: a reader that has just begun has seen none."""
    return re.sub(r"sequence:\[[^,]*,", "sequence:[", debezium_id)


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

    def from_connect() -> list[Mapping[str, Any]]:
        return named([event for *_, event in messages(platform, since)], "form")

    wait_until(lambda: len(from_connect()) == 3)

    assert [of_engine(event) for event in named(bodies, "form")] == [of_connect(event) for event in from_connect()]


ROW = {
    "id": 42,
    "price": "12345678901234567890123456789.0123456789",
    "big": "9007199254740993",
    "nothing": None,
    "tags": ["a", 'quoted "ü" 🚀', None],
    "hosts": [{"host": "a.example.com"}],
    "active": True,
    "ratio": 0.1,
}
LONG = {"text": os.urandom(16_000).hex()}
"""More than PostgreSQL keeps in line, compressed or not; within what goes whole."""
CUT = 65_536


def test_rows_of_any_table_arrive_on_the_same_topic_from_both_captures(
    world: World, platform: Platform, tmp_path: Path
) -> None:
    bodies: list[dict[str, Any]] = []
    log = tmp_path / "capture.log"
    renderer = "form-rows"
    composite = '["eu", "4/2"]'
    world.create("form-beside-before")
    world.settled()
    with sidecar(bodies) as port, capturing(world, platform, port, log):
        wait_until(lambda: len(named(bodies, "form-beside-before")) == 1, log.read_text)
        since = end_of_topic(platform)
        with world.sql(autocommit=True) as cursor:
            captured_rows.write(cursor, renderer, composite, ROW, "ünïcode <&> 🚀")
            captured_rows.revise(cursor, renderer, composite, 2)
            captured_rows.write(cursor, renderer, "long", LONG)
            world.create("form-beside")
            captured_rows.revise(cursor, renderer, "long", 2)
            captured_rows.revise(cursor, renderer, composite, 2, deleted=True)
            captured_rows.revise(cursor, renderer, "long", 2, deleted=True)
            cursor.execute("DELETE FROM rowcast.rows WHERE renderer = %s", (renderer,))
        wait_until(lambda: len(of_renderer(bodies, renderer)) == 8, log.read_text)
        wait_until(lambda: len(named(bodies, "form-beside")) == 1, log.read_text)

    def from_connect() -> list[tuple[int, Any, Mapping[str, Any]]]:
        return [each for each in messages(platform, since) if of_renderer([each[2]], renderer)]

    wait_until(lambda: len(from_connect()) == 8)
    connects = from_connect()
    for key in (composite, "long"):
        mine = [event for event in of_renderer(bodies, renderer) if key_of(event) == key]
        theirs = [(partition, name, event) for partition, name, event in connects if key_of(event) == key]
        assert [(event["iodebeziumschema"], event["iodebeziumtable"]) for event in mine] == [("rowcast", "rows")] * 4
        assert [event["iodebeziumop"] for event in mine] == ["c", "u", "u", "d"]
        states = [event["data"]["after"] for event in mine[:3]]
        assert [(each["generation"], each["revision"], each["deleted"]) for each in states] == [
            (1, 1, False),
            (2, 2, False),
            (3, 2, True),
        ]
        # What an update leaves as it is arrives whole, out of line or not.
        assert [json.loads(each["row"]) for each in states] == [ROW if key == composite else LONG] * 3
        assert states[0]["actor"] == ("ünïcode <&> 🚀" if key == composite else None)
        assert len({partition for partition, _, _ in theirs}) == 1
        assert [name for _, name, _ in theirs] == [{"renderer": renderer, "key": key}] * 4
        assert [of_engine(event) for event in mine] == [of_connect(event) for *_, event in theirs]


def key_of(event: Mapping[str, Any]) -> str:
    key: str = (event["data"]["after"] or event["data"]["before"])["key"]
    return key


def test_a_row_of_any_size_holds_nobody_up_and_is_told_cut(world: World, platform: Platform, tmp_path: Path) -> None:
    """Its before and its after would be more than Kafka takes, for which a connector's task fails for good."""
    bodies: list[dict[str, Any]] = []
    log = tmp_path / "capture.log"
    renderer = "form-large"
    # The cut is in the middle of a character of one of the two.
    texts = {"even": {"t": "🚀" * CUT * 5}, "odd": {"t": "-" + "🚀" * CUT * 5}, "quotes": {"t": '"\\' * CUT * 5}}
    world.create("form-large-before")
    world.settled()
    with sidecar(bodies) as port, capturing(world, platform, port, log):
        wait_until(lambda: len(named(bodies, "form-large-before")) == 1, log.read_text)
        since = end_of_topic(platform)
        with world.sql(autocommit=True) as cursor:
            for key, row in texts.items():
                captured_rows.write(cursor, renderer, key, row, "a" * 2_000_000)
                captured_rows.revise(cursor, renderer, key, 2)
            captured_rows.write(cursor, renderer, "small", ROW)
        wait_until(lambda: len(of_renderer(bodies, renderer)) == 7, log.read_text)
    wait_until(lambda: len([each for each in messages(platform, since) if of_renderer([each[2]], renderer)]) == 7)

    for event in [*of_renderer(bodies, renderer), *(each for *_, each in messages(platform, since))]:
        after = event["data"]["after"]
        if after.get("renderer") == renderer and after["key"] != "small":
            assert len(after["row"].encode("utf-16-le", "surrogatepass")) // 2 == CUT
            assert len(after["actor"] or "") == 1000
            with pytest.raises(json.JSONDecodeError):
                json.loads(after["row"])
    status = rowcast_connector(world)
    assert [task["state"] for task in status["tasks"]] == ["RUNNING"]
    with world.sql(autocommit=True) as cursor:
        cursor.execute("DELETE FROM rowcast.rows WHERE renderer = %s", (renderer,))


def rowcast_connector(world: World) -> dict[str, Any]:
    with world.connect() as client:
        return done(client.get("/connectors/rowcast/status"))
