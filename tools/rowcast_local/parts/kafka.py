"""Kafka as one KRaft node: broker and controller in one Java process, on the loopback."""

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.jvm import ClassPath
from rowcast_local.parts.java import java_command
from rowcast_local.program import Program

HOST = "127.0.0.1"
# One cluster per machine at a time; the id only has to be stable, and StorageTool wants 16 bytes in base64.
CLUSTER_ID = "cm93Y2FzdC1sb2NhbC0wMQ"
READY_SECONDS = 1.0


class KafkaStorageError(Exception):
    """The storage could not be formatted. The text is what Kafka's own tool said."""


@dataclass(frozen=True)
class Kafka:
    """One broker. `data` holds its properties and its log; `port` is the clients', `controller_port` its own.

    `advertised_port` is where it tells clients to find it, if that is not `port`: a proxy that passes on to it.
    """

    java: Path
    class_path: ClassPath
    data: Path
    port: int
    controller_port: int
    user: str | None = None
    name: str = "kafka"
    advertised_port: int | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port`, as Kafka's clients want it."""
        return f"{HOST}:{self.advertised_port or self.port}"

    @property
    def properties(self) -> Path:
        """The file that `prepare` writes."""
        return self.data / "server.properties"

    @property
    def storage(self) -> Path:
        """The folder of the log, which outlives the process."""
        return self.data / "log"

    def prepare(self) -> None:
        """Writes the properties and formats the storage once. Raises KafkaStorageError when Kafka refuses to."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.properties.write_text(properties_text(server_properties(self)))
        if not (self.storage / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        command = java_command(self.java, self.class_path, "kafka.tools.StorageTool", heap_mib=128)
        command += ("format", "--standalone", "--cluster-id", CLUSTER_ID, "--config", str(self.properties))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KafkaStorageError((done.stderr or done.stdout).strip())

    def program(self) -> Program:
        """The broker's process. SIGTERM moves nothing anywhere on one node, so it stops within a second or two."""
        command = java_command(self.java, self.class_path, "kafka.Kafka", heap_mib=384)
        return Program(self.name, (*command, str(self.properties)), environment={}, directory=self.data, user=self.user)

    def ready(self) -> bool:
        """Whether clients can connect."""
        try:
            with socket.create_connection((HOST, self.port), timeout=READY_SECONDS):
                return True
        except OSError:
            return False


def server_properties(kafka: Kafka) -> dict[str, str]:
    """Kafka's own settings, for one node on a small machine."""
    internal_topics = {
        f"{prefix}.replication.factor": "1"
        for prefix in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    }
    return internal_topics | {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{kafka.controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{kafka.port},CONTROLLER://{HOST}:{kafka.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{kafka.advertised_port or kafka.port}",
        "log.dirs": str(kafka.storage),
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        # Dapr makes topics by asking for them, the captured one too when a sidecar is faster than the connector:
        # so this is the number of partitions that the connector's configuration wants.
        "auto.create.topics.enable": "true",
        "num.partitions": "6",
        # A few consumer groups don't need 50 files each to be opened at start.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.num.partitions": "2",
        "group.initial.rebalance.delay.ms": "0",
        # After a kill, sessions of clients that are gone should not hold their partitions for long.
        "group.min.session.timeout.ms": "3000",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "num.recovery.threads.per.data.dir": "2",
        "log.cleaner.threads": "1",
        # Preallocates nothing: an index file of 10 MiB per partition is a sparse file, but it is mapped.
        "log.index.size.max.bytes": "1048576",
        "log.segment.bytes": "67108864",
        # Deduplicating by key needs this buffer at once, in the heap; the default of 128 MiB is a third of it.
        "log.cleaner.dedupe.buffer.size": "8388608",
        # A broker that was killed may register again only when its old session is over: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }


def properties_text(properties: dict[str, str]) -> str:
    """Java's properties format, one setting a line."""
    return "".join(f"{key}={value}\n" for key, value in properties.items())
