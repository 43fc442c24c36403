"""A broker of one's own authority: the sidecar trusts it as its annotations say, and so does capture."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from charting.rendering import CHART, one, pod, render
from processes import running
from rowcast.brokers import connect
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.parts.dapr import Sidecar
from rowcast_local.paths import cache_folder
from rowcast_local.ports import HOST, free_ports
from rowcast_local.probes import answers, listens
from rowcast_local.program import Program
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import Toolbox, provide

VALUES = CHART / "ci" / "own-jetstream-values.yaml"
LOGIN = "rowcast:secret"


@dataclass(frozen=True)
class Nats:
    """A server with TLS and a login; `authority` is a folder as the secret with the CA is mounted."""

    port: int
    authority: Path

    @property
    def url(self) -> str:
        return f"tls://{LOGIN}@{HOST}:{self.port}"


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return provide(cache_folder(), Progress(), broker="jetstream")


@pytest.fixture
def nats(toolbox: Toolbox, tmp_path: Path) -> Iterator[Nats]:
    authority = tmp_path / "authority"
    authority.mkdir()
    # Its own authority, as the local API server's is.
    settle_certificate(authority / "ca.crt", settle_key(tmp_path / "key"))
    port = next(free_ports())
    user, password = LOGIN.split(":")
    settings = {
        "listen": f"{HOST}:{port}",
        "jetstream": {"store_dir": str(tmp_path / "store")},
        "tls": {"cert_file": str(authority / "ca.crt"), "key_file": str(tmp_path / "key")},
        "authorization": {"user": user, "password": password},
    }
    (tmp_path / "nats.conf").write_text(json.dumps(settings))
    program = Program("nats", (str(toolbox.extras["nats"]), "--config", "nats.conf"), {}, tmp_path)
    with running(program, lambda: listens(port), tmp_path / "nats.log"):
        yield Nats(port, authority)


def sidecar(toolbox: Toolbox, nats: Nats, folder: Path, environment: dict[str, str]) -> Sidecar:
    """Capture's, with the component that the chart renders, and its secrets filled in."""
    component = one(render(values=VALUES), "Component", "pubsub")
    for entry in component["spec"]["metadata"]:
        if entry.pop("secretKeyRef", None):
            entry["value"] = nats.url
    for kubernetes in ("auth", "namespace"):
        component.pop(kubernetes, None)
        component["metadata"].pop(kubernetes, None)
    resources = folder / "resources"
    resources.mkdir()
    (resources / "pubsub.yaml").write_text(yaml.safe_dump(component))
    ports = dict(zip(("http", "grpc", "internal", "metrics"), free_ports(), strict=False))
    made = Sidecar(
        "capture",
        toolbox.daprd,
        folder / "sidecar",
        ports,
        resources=(resources,),
        values={"ROWCAST_NAMES": str(folder / "names.db")},
        environment=environment,
    )
    made.prepare()
    return made


def variables(nats: Nats) -> dict[str, str]:
    """What the injector makes of the annotation, with the secret's folder where it is here."""
    annotations = pod(render(values=VALUES), "capture").annotations
    place = annotations["dapr.io/volume-mounts"].partition(":")[2]
    return dict(each.split("=") for each in annotations["dapr.io/env"].replace(place, str(nats.authority)).split(","))


def test_capture_and_its_sidecar_trust_it(toolbox: Toolbox, nats: Nats, tmp_path: Path) -> None:
    async def prepare() -> None:
        broker = connect("jetstream", nats.url, nats.authority / "ca.crt", "rowcast", ("k8s", "git"))
        try:
            await broker.prepare()
        finally:
            await broker.aclose()

    asyncio.run(prepare())
    made = sidecar(toolbox, nats, tmp_path, variables(nats))
    with running(made.program(), lambda: answers(f"{made.url}/v1.0/healthz/outbound"), tmp_path / "daprd.log"):
        event: dict[str, Any] = {"id": 1}
        answer = httpx.post(f"{made.url}/v1.0/publish/pubsub/rowcast.public.app_configs", json=event, trust_env=False)

    assert answer.status_code == 204, answer.text


def test_without_the_annotation_the_sidecar_does_not(toolbox: Toolbox, nats: Nats, tmp_path: Path) -> None:
    program = sidecar(toolbox, nats, tmp_path, {}).program()
    ended = subprocess.run(
        program.command, env=dict(program.environment), capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode != 0
    assert "certificate signed by unknown authority" in ended.stdout + ended.stderr
