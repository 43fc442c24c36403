"""Kafka Connect as one distributed worker with Debezium on its class path."""

import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_local.credentials import write_private
from rowcast_local.jvm import ClassPath
from rowcast_local.parts.java import java_command
from rowcast_local.parts.kafka import HOST, properties_text
from rowcast_local.program import Program

READY_SECONDS = 2.0
USERNAME = "rowcast"
"""Who may use the REST interface."""


BASIC_AUTHENTICATION = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"
LOGINS = """KafkaConnect {{
    org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required
    file="{users}";
}};
"""


@dataclass(frozen=True)
class Connect:
    """One worker. `data` holds its properties; its state is in Kafka.

    `bootstrap` is Kafka's `host:port`; `capture` is the environment that the connector's configuration refers to
    (`ROWCAST_CAPTURE_DB_HOST` and the like), so that no credential of the database is in a file or in a topic.
    `password` (hexadecimal) is what the REST interface wants to see.
    """

    java: Path
    class_path: ClassPath
    data: Path
    port: int
    bootstrap: str
    password: str = field(repr=False)
    capture: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    name: str = "connect"

    @property
    def url(self) -> str:
        """Where its REST interface is."""
        return f"http://{HOST}:{self.port}"

    @property
    def login(self) -> tuple[str, str]:
        """Name and password for its REST interface."""
        return USERNAME, self.password

    @property
    def access(self) -> dict[str, str]:
        """The environment of those who may use it."""
        return {
            "ROWCAST_CONNECT_URL": self.url,
            "ROWCAST_CONNECT_USERNAME": USERNAME,
            "ROWCAST_CONNECT_PASSWORD": self.password,
        }

    @property
    def properties(self) -> Path:
        """The file that `prepare` writes."""
        return self.data / "connect.properties"

    @property
    def logins(self) -> Path:
        """The configuration of JAAS that `prepare` writes."""
        return self.data / "logins.conf"

    def prepare(self) -> None:
        """Writes the worker's properties, and who may use its REST interface."""
        self.data.mkdir(parents=True, exist_ok=True)
        users = self.data / "logins.properties"
        write_private(users, properties_text({USERNAME: self.password}))
        write_private(self.logins, LOGINS.format(users=users))
        self.properties.write_text(properties_text(worker_properties(self)))

    def program(self) -> Program:
        """The worker's process; it waits for Kafka by itself for a minute, and then wants to be started again."""
        command = java_command(
            self.java,
            self.class_path,
            "org.apache.kafka.connect.cli.ConnectDistributed",
            heap_mib=512,
            logins=self.logins,
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
        login = b64encode(":".join(self.login).encode()).decode()
        request = urllib.request.Request(f"{self.url}/health", headers={"Authorization": f"Basic {login}"})
        try:
            with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
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
            "config.providers": "env",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": "ROWCAST_CAPTURE_.*",
            # What connector.json asks for, and not where its login goes.
            "connector.client.config.override.policy": "Allowlist",
            "connector.client.config.override.allowlist": "acks,enable.idempotence,linger.ms",
            "rest.extension.classes": BASIC_AUTHENTICATION,
            "topic.creation.enable": "true",
            "producer.acks": "all",
            "producer.enable.idempotence": "true",
            "producer.linger.ms": "0",
        }
    )
