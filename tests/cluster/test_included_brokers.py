"""The included Redis, RabbitMQ and NATS: the chart's start scripts in our images, as pods run them."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from charting.rendering import one, pod, render
from cluster.room import Room
from rowcast.brokers import connect
from rowcast.core.broker import Broker, BrokerFacts, BrokerKind
from rowcast.core.errors import PermanentError, TransientError
from rowcast_images.making import build
from rowcast_images.references import version
from rowcast_local.ports import free_ports

pytestmark = pytest.mark.timeout(1800)  # the first test builds what nobody has built before

IMAGES: dict[BrokerKind, str] = {"redis": "redis", "rabbitmq": "rabbitmq", "jetstream": "nats"}
PORTS = {"redis": ("6379",), "rabbitmq": ("5672",), "jetstream": ("4222", "8222")}
# What a shell, a configuration file and a URL each take for something else.
PASSWORD = 'a"b\\c $d#e%f'

each_kind = pytest.mark.parametrize("kind", IMAGES)
Start = Callable[[BrokerKind], "Included"]


class Included:
    """A broker in a room, at ports of its own."""

    def __init__(self, kind: BrokerKind, room: Room, folder: Path) -> None:
        self.kind = kind
        self._room = room
        self._folder = folder
        ports = free_ports()
        self._ports = {port: next(ports) for port in PORTS[kind]}
        # On the pod's own loopback these are nobody else's.
        self._of_erlang = {name: str(next(ports)) for name in ("ERL_EPMD_PORT", "RABBITMQ_DIST_PORT")}

    def broker(self, password: str = PASSWORD) -> Broker:
        """A client of it, as capture is one."""
        secret = one(render(f"global.broker.kind={self.kind}"), "Secret", f"rowcast-{self.kind}")["data"]
        url = urlsplit(b64decode(secret["url"]).decode())
        port = self._ports[str(url.port)]
        given = f"{url.scheme}://{url.username}:{quote(password, safe='')}@127.0.0.1:{port}"
        return connect(self.kind, given, None, "rowcast", ("k8s", "git"), consumer="rowcast-{appID}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its pod's container, until it is killed at the end of the block."""
        manifests = render(f"global.broker.kind={self.kind}")
        mounted = self._folder / "mounted"
        shutil.rmtree(mounted, ignore_errors=True)
        mounted.mkdir()
        for name, text in one(manifests, "ConfigMap", f"rowcast-{self.kind}")["data"].items():
            (mounted / name).write_text(self._here(text))
        one_pod = pod(manifests, self.kind)
        environment = {name: self._value(name, value) for name, value in one_pod.environment.items()}
        command = [self._here(word) for word in one_pod.containers[0]["command"]]
        room = Room(self._room.root, {**self._room.config, "Cmd": command})
        environment |= self._of_erlang
        with room.running(self._folder / "log", environment=environment, writable=["/data"], mounted=mounted):
            yield

    def _here(self, text: str) -> str:
        for port, free in self._ports.items():
            text = text.replace(port, str(free))
        return text.replace(f"/etc/{self.kind}/", "/tmp/mounted/")

    def _value(self, name: str, value: object) -> str:
        if isinstance(value, dict):
            return "rowcast" if value["secretKeyRef"]["key"] == "username" else PASSWORD
        return self._here(str(value))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("brokers")
    folder.chmod(0o755)
    archives = build(list(IMAGES.values()), tag=version(), output=folder)
    made: dict[BrokerKind, Included] = {}

    def started(kind: BrokerKind) -> Included:
        if kind not in made:
            place = folder / kind
            place.mkdir(mode=0o755)
            room = Room.unpack(archives[IMAGES[kind]], place / "root")
            # The kubelet's, in a pod.
            (room.root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
            made[kind] = Included(kind, room, place)
        return made[kind]

    yield started
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@retry(stop=stop_after_delay(90), wait=wait_fixed(0.2), retry=retry_if_exception_type(TransientError), reraise=True)
def facts(broker: Broker) -> BrokerFacts:
    """What it tells once everything is made, as soon as it listens."""

    async def ask() -> BrokerFacts:
        try:
            await broker.prepare()
            return await broker.facts()
        finally:
            await broker.aclose()

    return asyncio.run(ask())


@each_kind
def test_its_user_makes_and_sees_all_that_rowcast_needs_and_nobody_else_gets_in(kind: BrokerKind, start: Start) -> None:
    server = start(kind)
    with server.running():
        told = facts(server.broker())
        with pytest.raises(PermanentError, match="does not let"):
            facts(server.broker("another"))

    assert {topic.name for topic in told.topics} == {
        "rowcast.public.app_configs",
        "rowcast.sync-status",
        "rowcast.dead-letters",
        "rowcast.replay.k8s",
        "rowcast.replay.git",
    }
    readers = {group.name for topic in told.topics for group in topic.groups}
    assert readers == {"rowcast-crud", "rowcast-sync-k8s", "rowcast-sync-git"}
    assert told.warnings == ()
