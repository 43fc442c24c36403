"""Redis Streams as the broker: what it has acknowledged is on disk, and nothing is thrown away to make room."""

from dataclasses import dataclass, field
from pathlib import Path

from rowcast_local.credentials import write_private
from rowcast_local.part import Part
from rowcast_local.ports import HOST
from rowcast_local.probes import listens
from rowcast_local.program import Program


def server_settings(port: int, folder: Path) -> dict[str, str]:
    """Redis' own settings, but for the login."""
    return {
        "bind": HOST,
        "port": str(port),
        "dir": str(folder),
        "daemonize": "no",
        "save": '""',
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }


@dataclass(frozen=True)
class BrokerRedis:
    """One server; `folder` has its configuration and its data. `password` is hexadecimal."""

    binary: Path
    folder: Path
    port: int
    password: str = field(repr=False)
    name: str = "broker-redis"

    @property
    def url(self) -> str:
        """For its clients."""
        return f"redis://default:{self.password}@{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For Dapr's component."""
        return {"ROWCAST_REDIS": f"{HOST}:{self.port}", "ROWCAST_REDIS_PASSWORD": self.password}

    def parts(self) -> list[Part]:
        """Its process."""
        command = (str(self.binary), str(self.folder / "redis.conf"))
        program = Program(self.name, command, environment={}, directory=self.folder, stop_seconds=10)
        return [Part(program, lambda: listens(self.port), self._prepare, self.port)]

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = {**server_settings(self.port, self.folder), "requirepass": self.password}
        write_private(self.folder / "redis.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
