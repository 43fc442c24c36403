"""etcd: the API server's store, one member."""

from dataclasses import dataclass
from pathlib import Path

from rowcast_local.ports import HOST
from rowcast_local.probes import answers
from rowcast_local.program import Program


@dataclass(frozen=True)
class Etcd:
    """One member with its files in `data`."""

    binary: Path
    data: Path
    port: int
    peer_port: int
    name: str = "etcd"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Makes the folder."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    def program(self) -> Program:
        """The member's process."""
        peer = f"http://{HOST}:{self.peer_port}"
        options = {
            "name": "rowcast",
            "data-dir": str(self.data),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"rowcast={peer}",
            "log-level": "warn",
        }
        command = (str(self.binary), *(f"--{option}={value}" for option, value in options.items()))
        # It waits for its clients to go; what it acknowledged is on disk.
        return Program(self.name, command, environment={}, directory=self.data, stop_seconds=3)

    def ready(self) -> bool:
        """Whether it has a leader and can write."""
        return answers(f"{self.url}/health")
