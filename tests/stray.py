"""A sidecar of nobody's, with which a test writes what it likes to any topic."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from rowcast_local.parts.dapr import Sidecar
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports
from world import wait_until


@contextmanager
def publishing(platform: Platform) -> Iterator[httpx.Client]:
    """A client of its `/v1.0/publish/pubsub/…`."""
    blueprint = platform.blueprint
    settings = {"brokers": blueprint.kafka.bootstrap, "authType": "none", "disableTls": "true", "version": "4.0.0"}
    component = {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "pubsub"},
        "spec": {
            "type": "pubsub.kafka",
            "version": "v1",
            "metadata": [{"name": name, "value": value} for name, value in settings.items()],
        },
    }
    spare = free_ports()
    ports = {name: next(spare) for name in ("http", "grpc", "internal", "metrics")}
    with tempfile.TemporaryDirectory() as folder:
        components = Path(folder, "components")
        components.mkdir()
        (components / "pubsub.yaml").write_text(yaml.safe_dump(component))
        values = blueprint.sidecar("ui").values
        sidecar = Sidecar("stray", blueprint.toolbox.daprd, Path(folder, "configuration"), ports, values=values)
        sidecar.prepare()
        program = sidecar.program()
        command = [part for part in program.command if not part.startswith("--resources-path=")]
        command.append(f"--resources-path={components}")
        environment = {**os.environ, **program.environment}
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(sidecar.ready, lambda: Path(folder, "log").read_text())
            with httpx.Client(base_url=sidecar.url, trust_env=False, timeout=60) as client:
                yield client
        except httpx.HTTPError as error:
            raise AssertionError(Path(folder, "log").read_text()) from error
        finally:
            process.terminate()
            process.wait()
