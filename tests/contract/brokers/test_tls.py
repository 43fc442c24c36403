"""TLS to a broker: one certificate is believed, and no other."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from contract.brokers.native import TARGETS
from contract.brokers.servers import PASSWORD, Server, server
from rowcast.brokers import connect
from rowcast.core.broker import BrokerFacts
from rowcast.core.errors import TransientError
from rowcast_local.part import Part
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.parts.nats import USER
from rowcast_local.ports import HOST

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
    kinds = {"rediss": "redis", "amqps": "rabbitmq", "tls": "jetstream"}

    async def asking() -> BrokerFacts:
        broker = connect(kinds[url.partition(":")[0]], url, ca_file, "rowcast", TARGETS)  # type: ignore[arg-type]
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
