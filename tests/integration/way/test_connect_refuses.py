"""What a connector may not say to the real Kafka Connect: whoever reaches it reads no files and no secrets by it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import running
from rowcast.connector.definition import read_definition
from rowcast_local.parts.connect import Connect
from rowcast_local.parts.kafka import Kafka
from rowcast_local.paths import cache_folder
from rowcast_local.ports import free_ports
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide

FILES = "org.apache.kafka.common.config.provider.FileConfigProvider"
DIRECTORIES = "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
ENVIRONMENT = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
SECRET = "very-secret-of-the-worker"
# Where nothing answers: what a validation says of it comes at once.
CAPTURE = {f"ROWCAST_CAPTURE_DB_{name}": "nobody" for name in ("USER", "PASSWORD", "NAME")} | {
    "ROWCAST_CAPTURE_DB_HOST": "127.0.0.1",
    "ROWCAST_CAPTURE_DB_PORT": "1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("connect")
    (made / "secret.properties").write_text(f"word={SECRET}\n")
    (made / "word").write_text(SECRET)
    return made


@pytest.fixture(scope="module")
def connect(folder: Path) -> Iterator[httpx.Client]:
    """The worker's REST interface; its environment has a secret that is none of a connector's business."""
    toolbox, ports = provide(cache_folder(), Progress()), free_ports()
    kafka = Kafka(toolbox.java, toolbox.class_path, folder / "kafka", next(ports), next(ports))
    environment = {**CAPTURE, "ROWCAST_OTHER": SECRET}
    worker = Connect(
        toolbox.java, toolbox.class_path, folder / "worker", next(ports), kafka.bootstrap, "pass", capture=environment
    )
    with ExitStack() as stack:
        for part in (kafka, worker):
            part.prepare()
            stack.enter_context(running(part.program(), part.ready, folder / f"{part.name}.log"))
        yield stack.enter_context(httpx.Client(base_url=worker.url, auth=worker.login, timeout=60, trust_env=False))


def _own(provider: str) -> dict[str, str]:
    return {"config.providers": "own", "config.providers.own.class": provider}


def _answer(connect: httpx.Client, changes: Mapping[str, str]) -> httpx.Response:
    config = {**read_definition().config, "name": "tried", **changes}
    return connect.put("/connector-plugins/PostgresConnector/config/validate", json=config)


def _errors(answer: httpx.Response) -> dict[str, list[str]]:
    configs: list[Any] = answer.raise_for_status().json()["configs"]
    return {one["value"]["name"]: one["value"]["errors"] for one in configs if one["value"]["errors"]}


def test_rowcasts_own_connector_is_refused_for_nothing_but_the_missing_database(connect: httpx.Client) -> None:
    assert {name.partition(".")[0] for name in _errors(_answer(connect, {}))} == {"database"}


READING: dict[str, tuple[dict[str, str], str]] = {
    "a file, by a provider of the worker": ({}, "${file:FOLDER/secret.properties:word}"),
    "the environment, by its file": ({}, "${file:/proc/self/environ:ROWCAST_OTHER}"),
    "the environment beyond the allowlist": ({}, "${env:ROWCAST_OTHER}"),
    "a file, by a provider that it brings along": (_own(FILES), "${own:FOLDER/secret.properties:word}"),
    "a folder, by a provider that it brings along": (_own(DIRECTORIES), "${own:FOLDER:word}"),
    "the environment, by a provider that it brings along": (_own(ENVIRONMENT), "${own:ROWCAST_OTHER}"),
    "the environment, by the worker's provider with other settings": (
        {"config.providers": "env", "config.providers.env.class": ENVIRONMENT},
        "${env:ROWCAST_OTHER}",
    ),
}


class _Listener:
    """Somebody's own "PostgreSQL": keeps what a client says before it is asked for its password."""

    def __init__(self) -> None:
        self.heard = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = str(self._socket.getsockname()[1])

    def __enter__(self) -> _Listener:
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                client, _ = self._socket.accept()
                with client:
                    self.heard += client.recv(4096)


def _heard(connect: httpx.Client, reference: str, settings: Mapping[str, str]) -> tuple[str, str]:
    """What a validation answers, and what it says to the address that it is given, of a database called `reference`."""
    with _Listener() as listener:
        place = {"database.port": listener.port, "database.sslmode": "disable", "database.dbname": reference}
        return _answer(connect, {**settings, **place}).text, listener.heard.decode(errors="replace")


def test_what_a_connector_may_read_is_heard_by_the_listener(connect: httpx.Client) -> None:
    assert "nobody" in _heard(connect, "${env:ROWCAST_CAPTURE_DB_NAME}", {})[1]


@pytest.mark.parametrize("what", READING)
def test_a_connector_does_not_read(what: str, connect: httpx.Client, folder: Path) -> None:
    settings, reference = READING[what]

    answer, heard = _heard(connect, reference.replace("FOLDER", str(folder)), settings)

    assert SECRET not in answer + heard


OVERRIDES = {
    "producer.override.bootstrap.servers": "127.0.0.1:1",
    "producer.override.sasl.jaas.config": "com.sun.security.auth.module.JndiLoginModule required;",
    "producer.override.interceptor.classes": "x",
    "producer.override.config.providers": "file",
    "producer.override.security.protocol": "PLAINTEXT",
}


@pytest.mark.parametrize("setting", OVERRIDES)
def test_a_connector_does_not_choose_the_broker_or_the_classes_of_its_clients(
    setting: str, connect: httpx.Client
) -> None:
    assert setting in _errors(_answer(connect, {setting: OVERRIDES[setting]}))
