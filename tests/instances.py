"""One more instance of a sync beside the platform's own: same application id, same group of the broker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from rowcast_local.parts.dapr import API_TOKEN, Sidecar
from rowcast_local.platform import Platform
from rowcast_local.ports import HOST, free_ports
from rowcast_local.probes import answers
from rowcast_local.program import Program

STOP_SECONDS = 60


@dataclass
class Instance:
    """Its processes, the application's first. `url` is the application's own; what they say goes to `folder`/log."""

    folder: Path
    url: str
    ports: Collection[int]
    sidecar: Sidecar
    processes: list[subprocess.Popen[bytes]]

    @property
    def pid(self) -> int:
        """Of the application."""
        return self.processes[0].pid

    def start_sidecar(self) -> None:
        """Lets it join the group: from here on it gets events."""
        self.processes.append(_run(self.sidecar.program(), self.folder))

    def ready(self) -> bool:
        """Whether the application can take events and its sidecar has subscribed."""
        return answers(f"{self.url}/readyz") and self._subscribed()

    def end(self, *, kill: bool = False) -> None:
        """All by SIGTERM, or by SIGKILL; returns when they have ended."""
        for process in self.processes:
            process.kill() if kill else process.terminate()
        for process in self.processes:
            process.wait(STOP_SECONDS)

    def _subscribed(self) -> bool:
        try:
            token = {"dapr-api-token": self.sidecar.environment[API_TOKEN]}
            answer = httpx.get(f"{self.sidecar.url}/v1.0/metadata", headers=token, timeout=5, trust_env=False)
            return bool(answer.json().get("subscriptions"))
        except (httpx.HTTPError, ValueError):
            return False


def start_application(platform: Platform, app: str, folder: Path, taken: Collection[int] = ()) -> Instance:
    """Starts another `app`, whose files are all in the new `folder`, without its sidecar; whoever calls this ends it.

    `taken` are ports, beyond the platform's own, that somebody may want though nobody listens there now.
    """
    blueprint = platform.blueprint
    others = {*blueprint.ports.values(), *taken}
    spare = (port for port in free_ports() if port not in others)
    ports = {kind: next(spare) for kind in ("app", "http", "grpc", "internal", "metrics")}
    folder.mkdir()
    own = {kind: ports[kind] for kind in ("http", "grpc", "internal", "metrics")}
    sidecar = replace(blueprint.sidecar(app), folder=folder, ports=own, app_port=ports["app"])
    sidecar.prepare()
    program = platform.parts[app].program
    environment = {
        **program.environment,
        **sidecar.app_environment,
        "ROWCAST_HTTP_PORT": str(ports["app"]),
        "ROWCAST_GIT_CACHE": str(folder / "mirror"),
    }
    process = _run(replace(program, environment=environment), folder)
    return Instance(folder, f"http://{HOST}:{ports['app']}", frozenset(ports.values()), sidecar, [process])


def _run(program: Program, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            program.command,
            env={**os.environ, **program.environment},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
