"""What capture reads from the environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from rowcast.brokers.settings import BrokerAccess
from rowcast.runtime.settings import Port, Settings


class CaptureSettings(BrokerAccess, Settings):
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

    @model_validator(mode="after")
    def _password_is_given_once_and_the_broker_is_told(self) -> Self:
        if self.capture_db_password is not None and self.capture_db_password_file is not None:
            raise ValueError("ROWCAST_CAPTURE_DB_PASSWORD and ROWCAST_CAPTURE_DB_PASSWORD_FILE: only one of the two")
        if self.broker != "kafka" and self.broker_url is None and self.broker_url_file is None:
            # What is published there before anybody has a queue is dropped, and reported as done.
            raise ValueError(
                f"ROWCAST_BROKER_URL or ROWCAST_BROKER_URL_FILE: required for ROWCAST_BROKER={self.broker}"
            )
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
