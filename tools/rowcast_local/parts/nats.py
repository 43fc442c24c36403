"""NATS with JetStream: what it has acknowledged is on disk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rowcast_local.credentials import write_private
from rowcast_local.part import Part
from rowcast_local.ports import HOST
from rowcast_local.probes import listens
from rowcast_local.program import Program

USER = "rowcast"


def server_settings(port: int, folder: Path) -> dict[str, Any]:
    """The server's own settings, but for the login."""
    return {
        "server_name": "rowcast",
        "listen": f"{HOST}:{port}",
        # As large as Kafka takes here; its default is 1 MB.
        "max_payload": 4_194_304,
        "jetstream": {"store_dir": str(folder / "store"), "sync_interval": "always"},
    }


@dataclass(frozen=True)
class Nats:
    """One server; `folder` has its configuration and its data. `password` is hexadecimal."""

    binary: Path
    folder: Path
    port: int
    password: str = field(repr=False)
    name: str = "nats"

    @property
    def url(self) -> str:
        """For its clients, Dapr's component too."""
        return f"nats://{USER}:{self.password}@{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For Dapr's component."""
        return {"ROWCAST_NATS": self.url}

    def parts(self) -> list[Part]:
        """Its process."""
        command = (str(self.binary), "--config", str(self.folder / "nats.conf"))
        program = Program(self.name, command, environment={}, directory=self.folder)
        return [Part(program, lambda: listens(self.port), self._prepare, self.port)]

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        login = {"authorization": {"user": USER, "password": self.password}}
        # Its configuration may be written as JSON.
        write_private(self.folder / "nats.conf", json.dumps({**server_settings(self.port, self.folder), **login}))
