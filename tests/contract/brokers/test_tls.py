"""TLS to a broker: one certificate is believed, and no other; by our own client, and by Dapr's as the chart sets it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from charting.rendering import CHART, one, pod, render
from contract.brokers.native import TARGETS
from contract.brokers.servers import PASSWORD, Server, server
from contract.brokers.sidecar import Application, event, sidecar
from rowcast.brokers import connect, kafka
from rowcast.core.broker import BrokerFacts, TopicFacts
from rowcast.core.errors import PermanentError, TransientError
from rowcast_local.part import Part
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.parts.kafka import properties_text
from rowcast_local.parts.nats import USER
from rowcast_local.ports import HOST
from world import wait_until

TOPIC = "rowcast.public.app_configs"
KINDS = {"rediss": "redis", "amqps": "rabbitmq", "tls": "jetstream", "kafkas": "kafka"}
SCHEMES = {"redis": "rediss", "rabbitmq": "amqps"}
REFUSED_MS = 4_000
"""Kafka's library goes on trying until its time is over, and tells only then why it was refused."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With its key, as `key.pem`."""
    folder = tmp_path_factory.mktemp("certificate")
    settle_certificate(folder / "ca.pem", settle_key(folder / "key.pem"))
    return folder / "ca.pem"


@pytest.fixture(scope="module", params=[*SCHEMES, "jetstream", "PLAIN", "SCRAM-SHA-512"])
def url(request: pytest.FixtureRequest, certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server behind TLS, with a login. NATS does it itself, since it is begun within its protocol, and so does Kafka,
    which tells its clients where it is; to that one logs in by the mechanism that is the parameter.
    """
    mechanism = request.param.isupper() and request.param
    running = server("kafka" if mechanism else request.param, tmp_path_factory.mktemp("server"))
    if mechanism:
        running.parts = [_with_logins(running, certificate)]
    if running.kind == "jetstream":
        running.parts = [_with_tls(running, certificate)]
    try:
        running.start()
        if running.kind == "jetstream":
            yield f"tls://{USER}:{PASSWORD}@{HOST}:{running.parts[0].port}"
            return
        if mechanism:
            _make_user(running, certificate)
            yield f"kafkas://{USER}:{PASSWORD}@{running.url}?mechanism={mechanism}"
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


def told(url: str, certificate: Path) -> Sequence[TopicFacts]:
    """The topics; none while Kafka has no coordinator for a group that nobody has been in, which passes by itself."""
    with suppress(TransientError):
        return ask(url, certificate).topics
    return ()


def test_a_certificate_of_the_given_authority_is_believed_and_of_none_other(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until(lambda: len(told(url, certificate)) == 5)
    monkeypatch.setattr(kafka, "_MILLISECONDS", REFUSED_MS)
    with pytest.raises(TransientError, match=r"(?i)certificate"):
        ask(url, None)


def test_a_login_that_is_refused_is_permanent_names_the_user_and_shows_no_password(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_MILLISECONDS", REFUSED_MS)
    login, _, _ = url.partition("://")[2].rpartition("@")
    with pytest.raises(PermanentError, match="does not let the user nobody in") as raised:
        ask(url.replace(login, "nobody:secret"), certificate)
    assert raised.value.reason == "broker-login-refused"
    assert "secret" not in str(raised.value)


def test_a_change_goes_through_the_component_that_the_chart_makes_of_a_server_of_ones_own(
    url: str, certificate: Path, tmp_path: Path
) -> None:
    wait_until(lambda: bool(told(url, certificate)))
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
    settings = [f"global.{kind}.{'brokers' if kind == 'kafka' else 'address'}={HOST}:{parts.port}"]
    if mechanism := parts.query.partition("mechanism=")[2]:
        settings.append(f"global.kafka.sasl.mechanism={mechanism}")
    manifests = render(*settings, values=CHART / "ci" / f"own-{kind}-values.yaml")
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


def _make_user(kafka: Server, certificate: Path) -> None:
    """Kafka keeps the users of SCRAM itself; who makes one logs in by PLAIN."""
    admin = KafkaAdminClient(
        bootstrap_servers=kafka.url,
        security_protocol="SASL_SSL",
        ssl_cafile=str(certificate),
        sasl_mechanism="PLAIN",
        sasl_plain_username=USER,
        sasl_plain_password=PASSWORD,
    )
    made = UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD.encode())
    assert admin.alter_user_scram_credentials([made]) == {USER: None}
    admin.close()


def _with_logins(kafka: Server, certificate: Path) -> Part:
    (part,) = kafka.parts
    file, key = Path(part.program.command[-1]), certificate.with_name("key.pem")
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}"'
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"

    def prepare() -> None:
        part.prepare()
        text, pair = file.read_text(), certificate.with_name("pair.pem")
        private = serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pair.write_bytes(private + certificate.read_bytes())
        file.write_text(
            text.replace("PLAINTEXT://", "LOGIN://")
            + properties_text(
                {
                    "listener.security.protocol.map": "LOGIN:SASL_SSL,CONTROLLER:PLAINTEXT",
                    "inter.broker.listener.name": "LOGIN",
                    "sasl.mechanism.inter.broker.protocol": "PLAIN",
                    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
                    "ssl.keystore.type": "PEM",
                    "ssl.keystore.location": str(pair),
                    "ssl.truststore.type": "PEM",
                    "ssl.truststore.location": str(certificate),
                    "listener.name.login.plain.sasl.jaas.config": f'{plain} username="{USER}" password="{PASSWORD}";',
                    "listener.name.login.scram-sha-512.sasl.jaas.config": scram,
                }
            )
        )

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
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
