"""What capture reads from the environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from rowcast.runtime.settings import Port, Settings


class CaptureSettings(Settings):
    """One instance: one database, one replication slot, one sidecar."""

    capture_db_host: str
    """The database's host."""
    capture_db_port: Port = 5432
    """The database's port."""
    capture_db_name: str = "rowcast"
    """The database's name."""
    capture_db_user: str = "rowcast_replication"
    """The role that replicates, which `rowcast crud migrate` makes."""
    capture_db_password: SecretStr | None = None
    """That role's password."""
    capture_db_password_file: Path | None = None
    """A file with that password instead, read each time that the engine starts."""
    capture_db_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    """Whether connections to the database are encrypted, and whom they believe, as libpq has it."""
    capture_db_sslrootcert: Path | None = None
    """A file with the authorities that the database's certificate is checked against."""
    capture_slot: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,63}$")] = "rowcast"
    """The replication slot: another one for each platform on one database server."""
    capture_jars: Path
    """The folder of the Java archives of `tools/jvm/lock.txt`."""
    java_home: Path
    """The Java runtime: the folder that holds `lib/server/libjvm.so`."""
    capture_heap_mib: Annotated[int, Field(ge=64, le=65536)] = 192
    """How much heap Java may take, in MiB."""
    capture_folder: Path | None = None
    """Where it may keep files, none of which matters once it has ended; a temporary folder without it."""
    capture_lanes: Annotated[int, Field(ge=1, le=64)] = 8
    """How many events are on their way to the broker at once, never two of one row."""
    broker: Literal["kafka", "redis", "rabbitmq", "jetstream"] = "kafka"
    """What the pub/sub component speaks to."""
    broker_url: SecretStr | None = None
    """Where that is, for what Dapr can't do: to make queues and streams before the first event, and to ask how they
    are. `redis://`, `amqp://`, `nats://` (`rediss://`, `amqps://`, `tls://`) `[user:password@]host:port`, and for Kafka
    `host:port,…`."""
    broker_url_file: Path | None = None
    """A file with that instead."""
    broker_ca_file: Path | None = None
    """A file with the authorities that the broker's certificate is checked against."""
    broker_consumer: str = "{appID}"
    """What the pub/sub component has as its consumer's name (`consumerID`, `consumerGroup`, `durableName`)."""
    broker_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """On how many servers what is made anew is kept (JetStream, Kafka)."""
    targets: Annotated[tuple[str, ...], NoDecode] = ("k8s", "git")
    """Who takes the events, each with a sync of its own; comma-separated, as for crud."""

    @field_validator("targets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _secrets_are_given_once(self) -> Self:
        for name, given in (
            ("CAPTURE_DB_PASSWORD", (self.capture_db_password, self.capture_db_password_file)),
            ("BROKER_URL", (self.broker_url, self.broker_url_file)),
        ):
            if all(one is not None for one in given):
                raise ValueError(f"ROWCAST_{name} and ROWCAST_{name}_FILE: only one of the two")
        return self

    @property
    def password(self) -> str:
        """The database's password as it is now. Raises OSError for a file that can't be read."""
        if self.capture_db_password_file is not None:
            return self.capture_db_password_file.read_text().rstrip("\r\n")
        return self.capture_db_password.get_secret_value() if self.capture_db_password else ""

    @property
    def archives(self) -> Sequence[Path]:
        """The class path, in a fixed order."""
        return sorted(self.capture_jars.glob("*.jar"))
