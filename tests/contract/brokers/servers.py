"""A broker of one's own for a test: the real server, in a folder of its own, to be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rowcast_local.broker import COMPONENTS
from rowcast_local.part import Part
from rowcast_local.parts.broker_redis import BrokerRedis
from rowcast_local.parts.kafka import Kafka
from rowcast_local.parts.nats import Nats
from rowcast_local.parts.rabbitmq import RabbitMQ
from rowcast_local.paths import cache_folder
from rowcast_local.ports import free_ports
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import Toolbox, provide
from world import wait_until

KINDS = ("redis", "rabbitmq", "jetstream", "kafka")
PASSWORD = "0a1b2c3d"  # of servers that only this machine reaches, for as long as a test


@cache
def toolbox(kind: str) -> Toolbox:
    """The programs of one broker, and daprd."""
    return provide(cache_folder(), Progress(), broker=kind)


@dataclass
class Server:
    """One broker: `url` for us, `environment` for Dapr's component of its kind."""

    kind: str
    url: str
    environment: Mapping[str, str]
    parts: Sequence[Part]
    folder: Path
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def component(self) -> Path:
        """Dapr's component, as the platform has it."""
        return COMPONENTS / f"{self.kind}.yaml"

    def start(self) -> None:
        """Starts what does not run, and returns when it takes connections."""
        for part in self.parts:
            part.prepare()
        for part in self.parts:
            running = self._processes.get(part.name)
            if running is None or running.poll() is not None:
                self._start(part)

    def kill(self) -> None:
        """As the machine's end would: without a word."""
        process = self._processes[self.parts[-1].name]
        process.kill()
        process.wait()

    def pause(self) -> None:
        """It takes what it is sent no further, and its connections stay."""
        self._processes[self.parts[-1].name].send_signal(signal.SIGSTOP)

    def has_unread(self, size: int) -> bool:
        """Whether one of its connections holds so many bytes that it has not read.

        Source: proc(5), /proc/net/tcp: local address, and the queues as `tx:rx`, all hexadecimal.
        """
        local = f":{self.parts[-1].port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(line[1].endswith(local) and int(line[4].partition(":")[2], 16) >= size for line in lines)

    def stop(self) -> None:
        """Ends all of it."""
        for part in reversed(self.parts):
            process = self._processes.get(part.name)
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait()

    def _start(self, part: Part) -> None:
        log = self.folder / f"{part.name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                part.program.command,
                env={**os.environ, **part.program.environment},
                cwd=part.program.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes[part.name] = process

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return part.ready()

        wait_until(ready, log.read_text)


def server(kind: str, folder: Path) -> Server:
    """A broker of `kind` that is not started yet."""
    ports, tools = free_ports(), toolbox(kind)
    data = folder / kind
    match kind:
        case "redis":
            redis = BrokerRedis(tools.extras["redis"], data, next(ports), PASSWORD)
            return Server(kind, redis.url, redis.environment, redis.parts(), folder)
        case "rabbitmq":
            programs = (tools.extras["rabbitmq"], tools.extras["erlang"])
            rabbitmq = RabbitMQ(*programs, data, next(ports), next(ports), next(ports), PASSWORD, PASSWORD)
            return Server(kind, rabbitmq.url, rabbitmq.environment, rabbitmq.parts(), folder)
        case "jetstream":
            nats = Nats(tools.extras["nats"], data, next(ports), PASSWORD)
            return Server(kind, nats.url, nats.environment, nats.parts(), folder)
    kafka = Kafka(tools.java, tools.class_path, data, next(ports), next(ports))
    part = Part(kafka.program(), kafka.ready, kafka.prepare)
    return Server(kind, kafka.bootstrap, {"ROWCAST_KAFKA": kafka.bootstrap}, [part], folder)
