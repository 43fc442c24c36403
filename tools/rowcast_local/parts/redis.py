"""Redis: Argo CD's cache of what it has rendered and compared. Nothing in it is worth keeping."""

from dataclasses import dataclass
from pathlib import Path

from rowcast_local.credentials import Credentials, write_private
from rowcast_local.ports import HOST
from rowcast_local.probes import listens
from rowcast_local.program import Program


@dataclass(frozen=True)
class Redis:
    """One server, in memory; `folder` has its configuration, since a password has no place on a command line."""

    binary: Path
    folder: Path
    port: int
    credentials: Credentials
    name: str = "redis"

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self.port}"

    def prepare(self) -> None:
        """Writes the configuration."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"dir {self.folder}",
            'save ""',
            "appendonly no",
            "daemonize no",
            f"requirepass {self.credentials.redis}",
        ]
        write_private(self.folder / "redis.conf", "\n".join(lines) + "\n")

    def program(self) -> Program:
        """The server's process."""
        command = (str(self.binary), str(self.folder / "redis.conf"))
        return Program(self.name, command, environment={}, directory=self.folder, stop_seconds=2)

    def ready(self) -> bool:
        """Whether it takes connections."""
        return listens(self.port)
