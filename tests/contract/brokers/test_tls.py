"""TLS to a broker: one certificate is believed, and no other; by our own client, and by Dapr's as the chart sets it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from charting.rendering import CHART, one, pod, render
from contract.brokers.native import TARGETS
from contract.brokers.servers import PASSWORD, Server, server
from contract.brokers.sidecar import Application, event, sidecar
from rowcast.brokers import connect
from rowcast.core.broker import BrokerFacts
from rowcast.core.errors import TransientError
from rowcast_local.part import Part
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.parts.nats import USER
from rowcast_local.ports import HOST
from world import wait_until

TOPIC = "rowcast.public.app_configs"
KINDS = {"rediss": "redis", "amqps": "rabbitmq", "tls": "jetstream"}
SCHEMES = {"redis": "rediss", "rabbitmq": "amqps"}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """With its key, as `key.pem`."""
    settle_certificate(tmp_path / "ca.pem", settle_key(tmp_path / "key.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture(params=[*SCHEMES, "jetstream"])
def url(request: pytest.FixtureRequest, certificate: Path, tmp_path: Path) -> Iterator[str]:
    """A server behind TLS: NATS does it itself, since it is begun within its protocol."""
    running = server(request.param, tmp_path)
    if running.kind == "jetstream":
        running.parts = [_with_tls(running, certificate)]
    try:
        running.start()
        if running.kind == "jetstream":
            yield f"tls://{USER}:{PASSWORD}@{HOST}:{running.parts[0].port}"
            return
        with _terminating(running, certificate) as port:
            login = running.url.partition("://")[2].rpartition("@")[0]
            yield f"{SCHEMES[running.kind]}://{login}@{HOST}:{port}"
    finally:
        running.stop()


def ask(url: str, ca_file: Path | None) -> BrokerFacts:
    async def asking() -> BrokerFacts:
        broker = connect(KINDS[url.partition(":")[0]], url, ca_file, "rowcast", TARGETS)  # type: ignore[arg-type]
        try:
            await broker.prepare()
            return await broker.facts()
        finally:
            await broker.aclose()

    return asyncio.run(asking())


def test_a_certificate_of_the_given_authority_is_believed_and_of_none_other(url: str, certificate: Path) -> None:
    assert len(ask(url, certificate).topics) == 5
    with pytest.raises(TransientError, match=r"(?i)certificate"):
        ask(url, None)


def test_a_change_goes_through_the_component_that_the_chart_makes_of_a_server_of_ones_own(
    url: str, certificate: Path, tmp_path: Path
) -> None:
    ask(url, certificate)
    own, reader = _of_the_chart(url, certificate, tmp_path), Application([TOPIC])
    with (
        sidecar(own, "capture", tmp_path, "rowcast") as capture,
        sidecar(own, "sync-k8s", tmp_path, "rowcast", reader),
    ):
        assert capture.publish(TOPIC, event(1)).is_success, capture.log
        wait_until(lambda: reader.data == [1])


@dataclass
class OwnServer(Server):
    """Somebody's: `rendered` is the component that the chart makes for it."""

    rendered: Path = Path()

    @property
    def component(self) -> Path:
        return self.rendered


def _of_the_chart(url: str, certificate: Path, folder: Path) -> OwnServer:
    """What the values for a server of one's own render, with the secrets that they name put in their places."""
    parts = urlsplit(url)
    kind = KINDS[parts.scheme]
    manifests = render(f"global.{kind}.address={HOST}:{parts.port}", values=CHART / "ci" / f"own-{kind}-values.yaml")
    secrets = {"username": parts.username, "password": parts.password, "url": url, "ca.crt": certificate.read_text()}
    spec: dict[str, Any] = one(manifests, "Component", "pubsub")["spec"]
    spec["metadata"] = [
        {"name": each["name"], "value": each["value"] if "value" in each else secrets[each["secretKeyRef"]["key"]]}
        for each in spec["metadata"]
    ]
    component = {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "pubsub"},
        "spec": spec,
        "scopes": ["capture", "sync-k8s"],
    }
    (folder / "component.yaml").write_text(yaml.safe_dump(component))
    # Where the chart mounts the authority in the sidecar's container, it names the folder.
    (folder / "authorities").mkdir()
    (folder / "authorities" / "ca.crt").write_text(secrets["ca.crt"] or "")
    name, _, mounted = pod(manifests, "sync-k8s").annotations.get("dapr.io/env", "").partition("=")
    environment = {name: str(folder / "authorities")} if mounted == "/etc/rowcast/broker" else {}
    return OwnServer(kind, url, environment, [], folder, rendered=folder / "component.yaml")


def _with_tls(nats: Server, certificate: Path) -> Part:
    (part,) = nats.parts
    file = Path(part.program.command[-1])

    def prepare() -> None:
        part.prepare()
        settings = json.loads(file.read_text())
        settings["tls"] = {"cert_file": str(certificate), "key_file": str(certificate.with_name("key.pem"))}
        file.write_text(json.dumps(settings))

    return Part(part.program, part.ready, prepare, part.port)


@contextmanager
def _terminating(plain: Server, certificate: Path) -> Iterator[int]:
    """A port that speaks TLS, and passes on to the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    port = plain.parts[-1].port
    assert port is not None

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection((HOST, port)) as inside,
            ):
                threading.Thread(target=_pass_on, args=(inside, outside), daemon=True).start()
                _pass_on(outside, inside)

    with ThreadingTCPServer((HOST, 0), Handler) as listener:
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
