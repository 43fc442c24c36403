"""Kafka Connect as one distributed worker with Debezium on its class path."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_local.jvm import ClassPath
from rowcast_local.parts.java import java_command
from rowcast_local.parts.kafka import HOST, properties_text
from rowcast_local.program import Program

READY_SECONDS = 2.0


@dataclass(frozen=True)
class Connect:
    """One worker. `data` holds its properties; its state is in Kafka.

    `bootstrap` is Kafka's `host:port`; `capture` is the environment that the connector's configuration refers to
    (`ROWCAST_CAPTURE_DB_HOST` and the like), so that no credential is in a file or in a topic.
    """

    java: Path
    class_path: ClassPath
    data: Path
    port: int
    bootstrap: str
    capture: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    name: str = "connect"

    @property
    def url(self) -> str:
        """Where its REST interface is."""
        return f"http://{HOST}:{self.port}"

    @property
    def properties(self) -> Path:
        """The file that `prepare` writes."""
        return self.data / "connect.properties"

    def prepare(self) -> None:
        """Writes the worker's properties."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.properties.write_text(properties_text(worker_properties(self)))

    def program(self) -> Program:
        """The worker's process; it waits for Kafka by itself for a minute, and then wants to be started again."""
        command = java_command(
            self.java, self.class_path, "org.apache.kafka.connect.cli.ConnectDistributed", heap_mib=512
        )
        return Program(
            self.name,
            (*command, str(self.properties)),
            environment=dict(self.capture),
            directory=self.data,
            user=self.user,
            stop_seconds=15,
        )

    def ready(self) -> bool:
        """Whether the worker has joined its group and has read its topics (KIP-1017)."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=READY_SECONDS) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def worker_properties(connect: Connect) -> dict[str, str]:
    """The worker's settings: one worker, small internal topics, low latency, nothing lost."""
    internal_topics = {
        f"{kind}.storage.{setting}": value
        for kind in ("config", "offset", "status")
        for setting, value in (("topic", f"rowcast.connect-{kind}"), ("replication.factor", "1"))
    }
    converters = {
        f"{side}.converter{suffix}": value
        for side in ("key", "value")
        for suffix, value in (("", "org.apache.kafka.connect.json.JsonConverter"), (".schemas.enable", "false"))
    }
    clients = {
        f"{client}{setting}": value
        for client in ("", "producer.", "consumer.", "admin.")
        for setting, value in (("reconnect.backoff.ms", "50"), ("reconnect.backoff.max.ms", "250"))
    }
    return (
        internal_topics
        | converters
        | clients
        | {
            "bootstrap.servers": connect.bootstrap,
            "group.id": "rowcast-connect",
            "listeners": f"http://{HOST}:{connect.port}",
            "rest.advertised.host.name": HOST,
            "offset.storage.partitions": "1",
            "status.storage.partitions": "1",
            "offset.flush.interval.ms": "1000",
            # The class path is the plugin path: nothing to scan.
            "plugin.discovery": "service_load",
            "scheduled.rebalance.max.delay.ms": "0",
            "session.timeout.ms": "6000",
            "heartbeat.interval.ms": "2000",
            "config.providers": "env,file",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": "ROWCAST_CAPTURE_.*",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            "connector.client.config.override.policy": "All",
            "topic.creation.enable": "true",
            "producer.acks": "all",
            "producer.enable.idempotence": "true",
            "producer.linger.ms": "0",
        }
    )
