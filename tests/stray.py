"""Sidecars of nobody's: with one a test writes what it likes to any topic, or hears what others write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import yaml

from processes import running
from rowcast_local.parts.dapr import Sidecar
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports

PORTS = ("http", "grpc", "internal", "metrics")


@contextmanager
def publishing(platform: Platform) -> Iterator[httpx.Client]:
    """A client of its `/v1.0/publish/pubsub/…`."""
    ports = dict(zip(PORTS, free_ports(), strict=False))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with (
                own_sidecar(platform, "stray", folder, ports, platform.blueprint.kafka.bootstrap) as sidecar,
                httpx.Client(base_url=sidecar.url, trust_env=False, timeout=60) as client,
            ):
                yield client
        except httpx.HTTPError as error:
            raise AssertionError((folder / "stray.log").read_text()) from error


@contextmanager
def own_sidecar(
    platform: Platform, app_id: str, folder: Path, ports: Mapping[str, int], broker: str, app_port: int | None = None
) -> Iterator[Sidecar]:
    """A daprd that knows `broker` as `pubsub` and nothing else, ready; its files and its log are in `folder`.

    `ports` has its own four; at `app_port` its application has to answer already, if it has one.
    """
    blueprint = platform.blueprint
    components = folder / f"{app_id}-components"
    components.mkdir()
    (components / "pubsub.yaml").write_text(yaml.safe_dump(_pubsub(broker)))
    sidecar = Sidecar(
        app_id,
        blueprint.toolbox.daprd,
        folder / f"{app_id}-configuration",
        ports,
        app_port,
        values=blueprint.sidecar("ui").values,
    )
    sidecar.prepare()
    program = sidecar.program()
    command = [part for part in program.command if not part.startswith("--resources-path=")]
    command.append(f"--resources-path={components}")
    alone = replace(program, command=tuple(command))
    with running(alone, sidecar.ready, folder / f"{app_id}.log"):
        yield sidecar


def _pubsub(broker: str) -> dict[str, object]:
    settings = {
        "brokers": broker,
        "authType": "none",
        "disableTls": "true",
        "version": "4.0.0",
        "initialOffset": "oldest",
    }
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "pubsub"},
        "spec": {
            "type": "pubsub.kafka",
            "version": "v1",
            "metadata": [{"name": name, "value": value} for name, value in settings.items()],
        },
    }
