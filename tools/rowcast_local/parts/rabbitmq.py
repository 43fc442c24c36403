"""RabbitMQ as one node, started without its wrappers, which want root or an account of their own."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_local.credentials import write_private
from rowcast_local.part import Part
from rowcast_local.ports import HOST
from rowcast_local.probes import listens
from rowcast_local.program import Program

USER = "rowcast"
NODE = "rowcast@localhost"


def server_settings(port: int) -> dict[str, str]:
    """RabbitMQ's own settings, but for the login."""
    return {
        "listeners.tcp.1": f"{HOST}:{port}",
        "log.file": "false",
        "log.console": "true",
        "log.console.level": "info",
        # What quorum queues write goes to memory, too, until so much has been written: 512 MB by default.
        "raft.wal_max_size_bytes": "33554432",
    }


@dataclass(frozen=True)
class RabbitMQ:
    """One node, and the name server that Erlang needs. `erlang` is the folder of `erl` and `epmd`, `server` the script
    `rabbitmq-server` that starts a node as whoever calls it; `folder` has its configuration and its data. `password`
    and `cookie` are hexadecimal: the login, and what other nodes would have to know.
    """

    server: Path
    erlang: Path
    folder: Path
    port: int
    node_port: int
    names_port: int
    password: str = field(repr=False)
    cookie: str = field(repr=False)
    name: str = "rabbitmq"

    @property
    def url(self) -> str:
        """For its clients, Dapr's component too."""
        return f"amqp://{USER}:{self.password}@{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For Dapr's component."""
        return {"ROWCAST_RABBITMQ": self.url}

    def parts(self) -> list[Part]:
        """Its process, and that of the name server, which would stay behind if the node started it."""
        names = self._names()
        node = Program(
            self.name,
            (str(self.server),),
            environment=self._environment(),
            directory=self.folder,
            stop_seconds=20,
            awaits=(self.names_port,),
        )
        return [
            Part(names, lambda: listens(self.names_port), port=self.names_port),
            Part(node, lambda: listens(self.port), self._prepare, self.port, (names.name,)),
        ]

    def _names(self) -> Program:
        options = ("-port", str(self.names_port), "-address", HOST, "-relaxed_command_check")
        return Program(f"{self.name}-epmd", (str(self.erlang / "epmd"), *options), {}, self.folder, stop_seconds=2)

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        login = {"default_user": USER, "default_pass": self.password}
        settings = {**server_settings(self.port), **login}
        write_private(self.folder / "rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
        # Those of the machine's own RabbitMQ are none of this node's business.
        for name in ("advanced.config", "enabled_plugins"):
            write_private(self.folder / name, "[].\n")
        write_private(self.folder / "rabbitmq-env.conf", "")
        write_private(self.folder / ".erlang.cookie", self.cookie)

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": f"{self.erlang}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOGS": "-",
            # Whatever goes to no other log, and what a crash leaves.
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script becomes the node, instead of standing between it and its supervisor.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
