"""A real daprd with a component of the platform's, and the smallest application behind it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from contract.brokers.servers import Server, toolbox
from rowcast.core.broker import SUBSCRIPTION_METADATA
from rowcast_local.parts.dapr import RESOURCES
from rowcast_local.ports import HOST, free_ports
from world import wait_until

Answer = Callable[[dict[str, Any]], str]
"""What the application says to an event: SUCCESS, RETRY or DROP."""


@dataclass
class Application:
    """Takes the events of some topics, one at a time or in bulk, and keeps what it was given, in its order."""

    topics: Sequence[str] = ()
    bulk: bool = False
    answer: Answer = lambda event: "SUCCESS"
    seen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def data(self) -> list[Any]:
        """What the events were about."""
        return [event["data"] for event in self.seen]

    def subscriptions(self, pubsub: str) -> list[dict[str, Any]]:
        """As crud and sync announce theirs."""
        bulk = {"bulkSubscribe": {"enabled": True, "maxMessagesCount": 100, "maxAwaitDurationMs": 10}}
        return [
            {
                "pubsubname": pubsub,
                "topic": topic,
                "route": "/events",
                "metadata": SUBSCRIPTION_METADATA,
                **(bulk if self.bulk else {}),
            }
            for topic in self.topics
        ]

    def take(self, body: dict[str, Any]) -> dict[str, Any]:
        """One event, or a batch of them."""
        if "entries" not in body:
            return {"status": self._one(body)}
        return {"statuses": [{"entryId": e["entryId"], "status": self._one(e["event"])} for e in body["entries"]]}

    def _one(self, event: dict[str, Any]) -> str:
        self.seen.append(event)
        return self.answer(event)


def daprd_command(kind: str, app_id: str, app_port: int, resources: Path, ports: Mapping[str, int]) -> list[str]:
    """A sidecar on this machine alone; `ports` are its `http`, `grpc`, `internal` and `metrics`."""
    options = {
        "app-id": app_id,
        "resources-path": str(resources),
        "dapr-http-port": str(ports["http"]),
        "dapr-grpc-port": str(ports["grpc"]),
        "dapr-internal-grpc-port": str(ports["internal"]),
        "dapr-listen-addresses": HOST,
        "dapr-internal-grpc-listen-address": HOST,
        "metrics-port": str(ports["metrics"]),
        "metrics-listen-address": HOST,
        "max-body-size": "16Mi",
        "app-port": str(app_port),
        "app-protocol": "http",
        "app-channel-address": HOST,
        "disable-builtin-k8s-secret-store": "true",
        "placement-host-address": "",
        "scheduler-host-address": "",
        "dapr-graceful-shutdown-seconds": "1",
    }
    return [str(toolbox(kind).daprd), *(f"--{name}={value}" for name, value in options.items())]


class Daprd:
    """One sidecar; `kill` and `start` again as often as a test needs."""

    def __init__(
        self,
        server: Server,
        app_id: str,
        application: Application,
        folder: Path,
        prefix: str,
        resiliency: bool,
        metadata: Mapping[str, str],
    ) -> None:
        ports = free_ports()
        self._ports = {name: next(ports) for name in ("http", "grpc", "internal", "metrics")}
        self._application = application
        self._listener = ThreadingHTTPServer((HOST, next(ports)), _handler(application))
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self._server, self._app_id, self._prefix, self._resiliency = server, app_id, prefix, resiliency
        self._metadata = metadata
        self._folder = folder / f"{app_id}-{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Of its API."""
        return self._ports["http"]

    @property
    def log(self) -> str:
        """What it has said."""
        return (self._folder / "daprd.log").read_text()

    def start(self) -> None:
        """Returns when it has loaded its components and heard from its application."""
        self._folder.mkdir(exist_ok=True)
        resources = self._resources()
        command = daprd_command(self._server.kind, self._app_id, self._listener.server_port, resources, self._ports)
        with (self._folder / "daprd.log").open("ab") as output:
            self._process = process = subprocess.Popen(
                command,
                env={**os.environ, **self._server.environment, "DAPR_HOST_IP": HOST},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

        def ready() -> bool:
            assert process.poll() is None, self.log
            return httpx.get(f"http://{HOST}:{self.port}/v1.0/healthz", trust_env=False).is_success

        wait_until(ready, lambda: self.log)

    def kill(self) -> None:
        """Without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it and its application."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._listener.shutdown()
        self._listener.server_close()

    def publish(self, topic: str, event: Mapping[str, Any]) -> httpx.Response:
        """One CloudEvent, as capture publishes it."""
        return httpx.post(
            f"http://{HOST}:{self.port}/v1.0/publish/pubsub/{topic}",
            content=json.dumps(event),
            headers={"content-type": "application/cloudevents+json"},
            timeout=60,
            trust_env=False,
        )

    def _resources(self) -> Path:
        folder = self._folder / "resources"
        folder.mkdir(exist_ok=True)
        # Each test has its own prefix, which the scopes of topics have to follow; the applications are ours.
        component = yaml.safe_load(self._server.component.read_text().replace("rowcast.", f"{self._prefix}."))
        known = {one["name"]: one for one in component["spec"]["metadata"]}
        for name, value in self._metadata.items():
            known[name]["value"] = value
        (folder / "pubsub.yaml").write_text(yaml.safe_dump(component))
        if self._resiliency:
            (folder / "resiliency.yaml").write_text((RESOURCES / "resiliency.yaml").read_text())
        return folder


@contextmanager
def sidecar(
    server: Server,
    app_id: str,
    folder: Path,
    prefix: str,
    application: Application | None = None,
    *,
    resiliency: bool = True,
    metadata: Mapping[str, str] | None = None,
) -> Iterator[Daprd]:
    """A daprd that runs, and is gone in the end; `metadata` replaces what the component has of these names."""
    daprd = Daprd(server, app_id, application or Application(), folder, prefix, resiliency, metadata or {})
    try:
        daprd.start()
        yield daprd
    finally:
        daprd.stop()


def event(number: int, data: object = None) -> dict[str, Any]:
    """A CloudEvent with an id of its own."""
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "/test",
        "type": "test",
        "datacontenttype": "application/json",
        "data": number if data is None else data,
    }


def _handler(application: Application) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(application.subscriptions("pubsub") if self.path == "/dapr/subscribe" else {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._answer(application.take(json.loads(body)))

        def _answer(self, content: object) -> None:
            text = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
