"""Two sync instances of one target: rows go from one to the other and back, and both have some for a while."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx

from chaos.arena import Arena
from chaos.faults.fault import Doing, Fault, hold
from chaos.verdict import wait
from rowcast_local.parts.dapr import API_TOKEN, Sidecar
from rowcast_local.ports import HOST, free_ports
from rowcast_local.probes import answers


def second(app: str) -> Doing:
    """Another instance with the same app-id joins and leaves, once or twice; it ends by SIGTERM or by SIGKILL."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        for again in range(chance.choice((1, 2))):
            if again:
                hold(chance, 0.5, 2)
            with _instance(arena, app, chance):
                hold(chance, 1, 4)
        yield

    return during


@contextmanager
def _instance(arena: Arena, app: str, chance: random.Random) -> Iterator[None]:
    spare = (port for port in free_ports() if port not in arena.ports.values())
    ports = {kind: next(spare) for kind in ("app", "http", "grpc", "internal", "metrics")}
    number = len(list(arena.folder.glob(f"second-{app}-*")))
    folder = arena.folder / f"second-{app}-{number}"
    folder.mkdir()
    blueprint = arena.platform.blueprint
    first = blueprint.sidecar(app)
    own = {kind: ports[kind] for kind in ("http", "grpc", "internal", "metrics")}
    sidecar = replace(first, folder=folder, ports=own, app_port=ports["app"])
    sidecar.prepare()
    program = arena.platform.parts[app].program
    environment = {
        **program.environment,
        **sidecar.app_environment,
        "ROWCAST_HTTP_PORT": str(ports["app"]),
        "ROWCAST_GIT_CACHE": str(folder / "mirror"),
    }
    processes = []
    with (folder / "log").open("wb") as log:
        for command, variables in (
            (program.command, environment),
            (sidecar.program().command, sidecar.program().environment),
        ):
            processes.append(
                subprocess.Popen(
                    command, env={**os.environ, **variables}, cwd=folder, stdout=log, stderr=subprocess.STDOUT
                )
            )
    try:
        wait(
            lambda: [] if answers(f"http://{HOST}:{ports['app']}/readyz") and _subscribed(sidecar) else ["not yet"], 30
        )
        yield
    finally:
        kill = chance.random() < 0.5
        for process in processes:
            process.kill() if kill else process.terminate()
        for process in processes:
            process.wait(60)


def _subscribed(sidecar: Sidecar) -> bool:
    try:
        token = {"dapr-api-token": sidecar.environment[API_TOKEN]}
        answer = httpx.get(f"{sidecar.url}/v1.0/metadata", headers=token, timeout=5, trust_env=False)
        return bool(answer.json().get("subscriptions"))
    except (httpx.HTTPError, ValueError):
        return False


FAULTS = tuple(
    Fault(f"two instances of {app}", "two instances", second(app), (0.5, 2), app) for app in ("sync-k8s", "sync-git")
)
