"""An answer of crud's goes through the sidecar for as long as it takes: a million rows take minutes."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from contract.brokers.sidecar import daprd_command
from rowcast_local.parts.dapr import RESOURCES
from rowcast_local.ports import HOST, free_ports
from world import wait_until

PIECE = b"a row\n" * 1_000


class Slow(BaseHTTPRequestHandler):
    """Answers with pieces until its reader leaves; what is not rows the sidecar itself asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.path.startswith("/rows"):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            try:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def application() -> Iterator[int]:
    """The port of one."""
    with ThreadingHTTPServer((HOST, 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A daprd of `crud`, with the policy of the platform's calls, and a client of its API."""
    resources = tmp_path / "resources"
    resources.mkdir()
    shutil.copy(RESOURCES / "resiliency.yaml", resources)
    ports = dict(zip(("http", "grpc", "internal", "metrics"), free_ports(), strict=False))
    with application() as port, (tmp_path / "log").open("wb") as log:
        command = daprd_command("kafka", "crud", port, resources, ports)
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://{HOST}:{ports['http']}", trust_env=False) as client:
                wait_until(lambda: client.get("/v1.0/healthz").is_success, (tmp_path / "log").read_text)
                yield process, client
        finally:
            process.kill()
            process.wait()


def test_who_leaves_in_the_middle_of_an_answer_does_not_end_the_sidecar(
    sidecar: tuple[subprocess.Popen[bytes], httpx.Client],
) -> None:
    """With a timeout in the policy it ends by itself (dapr/dapr#10371), and with it all that it has under way."""
    process, client = sidecar
    for _ in range(10):
        with client.stream("GET", "/rows", headers={"dapr-app-id": "crud"}) as answer:
            assert answer.status_code == 200
            assert next(answer.iter_bytes())
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
    assert client.get("/v1.0/healthz").is_success
