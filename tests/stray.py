"""Sidecars of nobody's: with one a test writes what it likes to any topic, or hears what others write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from processes import running
from rowcast_local.parts.dapr import API_TOKEN, Sidecar
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports

PORTS = ("http", "grpc", "internal", "metrics")
RESOURCES = "--resources-path="


@contextmanager
def publishing(platform: Platform) -> Iterator[httpx.Client]:
    """A client of its `/v1.0/publish/pubsub/…`."""
    ports = dict(zip(PORTS, free_ports(), strict=False))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with (
                own_sidecar(platform, "stray", folder, ports) as sidecar,
                httpx.Client(base_url=sidecar.url, trust_env=False, timeout=60) as client,
            ):
                yield client
        except httpx.HTTPError as error:
            raise AssertionError((folder / "stray.log").read_text()) from error


@contextmanager
def own_sidecar(
    platform: Platform, app_id: str, folder: Path, ports: Mapping[str, int], app_port: int | None = None
) -> Iterator[Sidecar]:
    """A daprd that knows the platform's `pubsub` without its scopes, and nothing else, ready; its files and its log are
    in `folder`. What the platform's settings tell its own sidecars of the broker, this one isn't told.

    `ports` has its own four; at `app_port` its application has to answer already, if it has one.
    """
    blueprint = replace(platform.blueprint, settings={})
    like = blueprint.sidecar("crud")
    components = folder / f"{app_id}-components"
    components.mkdir()
    (components / "pubsub.yaml").write_text(yaml.safe_dump(_open(_pubsub(like.program().command))))
    sidecar = replace(
        like,
        app_id=app_id,
        folder=folder / f"{app_id}-configuration",
        ports=ports,
        app_port=app_port,
        # Nobody's has no token: whoever reaches it may publish.
        environment={name: value for name, value in like.environment.items() if name != API_TOKEN},
    )
    sidecar.prepare()
    program = sidecar.program()
    others = (part for part in program.command if not part.startswith(RESOURCES))
    with running(
        replace(program, command=(*others, f"{RESOURCES}{components}")), sidecar.ready, folder / f"{app_id}.log"
    ):
        yield sidecar


def _pubsub(command: Sequence[str]) -> dict[str, Any]:
    folders = [Path(part.removeprefix(RESOURCES)) for part in command if part.startswith(RESOURCES)]
    files = (file for folder in folders for file in folder.glob("*.yaml"))
    documents = (document for file in files for document in yaml.safe_load_all(file.read_text()))
    return next(one for one in documents if one["kind"] == "Component" and one["metadata"]["name"] == "pubsub")


def _open(component: dict[str, Any]) -> dict[str, Any]:
    """The component for everybody and every topic."""
    spec = component["spec"]
    settings = [one for one in spec["metadata"] if one["name"] not in {"publishingScopes", "subscriptionScopes"}]
    kept = {name: value for name, value in component.items() if name != "scopes"}
    return {**kept, "spec": {**spec, "metadata": settings}}
