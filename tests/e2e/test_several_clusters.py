"""A second cluster beside the platform's own: a target of the same kind, with a name and a reader of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import running
from rowcast_local.assembly import executable
from rowcast_local.parts.dapr import RESOURCES
from rowcast_local.platform import Platform
from rowcast_local.ports import HOST, free_ports
from rowcast_local.probes import answers
from rowcast_local.program import Program
from world import World, done, wait_until

NAME = "k8s-eu"
HERE, ELSEWHERE = "several-here", "several-elsewhere"
SIDECAR_PORTS = ("http", "grpc", "internal", "metrics")


@dataclass(frozen=True)
class Eu:
    """The instance, which delivers the rows of the environment `eu` alone to a namespace of its own."""

    world: World
    namespace: str
    sync: Program
    sidecar: Program
    url: str
    sidecar_url: str
    folder: Path

    @contextmanager
    def up(self) -> Iterator[None]:
        ready, loaded = f"{self.url}/readyz", f"{self.sidecar_url}/v1.0/healthz"
        with (
            running(self.sync, lambda: answers(ready), self.folder / "sync.log"),
            running(self.sidecar, lambda: answers(loaded), self.folder / "sidecar.log"),
        ):
            yield

    def objects(self) -> dict[str, Any]:
        listed = self.world.kubectl("get", "appconfigs", "--namespace", self.namespace, "--output", "json")
        return {one["metadata"]["name"]: one for one in json.loads(listed)["items"]}

    def reconcile(self) -> dict[str, Any]:
        with httpx.Client(base_url=self.url, timeout=120, trust_env=False) as http:
            wait_until(lambda: done(http.get("/reconcile"))["current"] is None)
            return done(http.post("/reconcile", json={"wait_seconds": 60}))


@pytest.fixture
def eu(platform: Platform, world: World, tmp_path: Path) -> Iterator[Eu]:
    namespace = f"several-{uuid.uuid4().hex[:8]}"
    world.kubectl("create", "namespace", namespace)
    blueprint = platform.blueprint
    port, *others = islice(free_ports(), 1 + len(SIDECAR_PORTS))
    resources = tmp_path / "dapr"
    resources.mkdir()
    for file in (*RESOURCES.glob("resiliency.yaml"), *blueprint.broker_resources.iterdir()):
        text = file.read_text().replace("sync-k8s", f"sync-{NAME}").replace("replay.k8s", f"replay.{NAME}")
        (resources / file.name).write_text(text)
    sidecar = replace(
        blueprint.sidecar("sync-k8s"),
        app_id=f"sync-{NAME}",
        folder=tmp_path,
        ports=dict(zip(SIDECAR_PORTS, others, strict=True)),
        app_port=port,
        resources=(resources,),
    )
    sidecar.prepare()
    environment = {
        **sidecar.app_environment,
        **blueprint.broker.sync_settings,
        "ROWCAST_TARGET": NAME,
        "ROWCAST_TARGET_KIND": "k8s",
        "ROWCAST_HTTP_HOST": HOST,
        "ROWCAST_HTTP_PORT": str(port),
        "ROWCAST_NAMESPACE": namespace,
        "ROWCAST_ENVIRONMENTS": json.dumps({"*": None, "eu": {}}),
        "ROWCAST_RECONCILE_SECONDS": "0",
        "KUBECONFIG": world.env["KUBECONFIG"],
    }
    sync = Program(f"sync-{NAME}", (executable("rowcast"), "sync", "serve"), environment, tmp_path)
    yield Eu(world, namespace, sync, sidecar.program(), f"http://{HOST}:{port}", sidecar.url, tmp_path)
    with world.sql() as cursor:
        # It has told of rows that other tests will have, too; each would wait for it.
        for table in ("sync_statuses", "rowcast.statuses"):
            cursor.execute(f"DELETE FROM {table} WHERE target = %s", (NAME,))


def statuses(world: World, row: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    with world.api() as api:
        targets = done(api.get(f"/appconfigs/{row['id']}/status"))["targets"]
    return {name: (one["outcome"], one["observed_generation"]) for name, one in targets.items()}


def test_each_cluster_has_its_rows_its_statuses_and_its_reconcile_and_waits_for_no_other(eu: Eu, world: World) -> None:
    with eu.up():
        both = world.create(HERE, environment="eu")
        other = world.create(ELSEWHERE)
        wait_until(lambda: set(eu.objects()) == {HERE})
        assert eu.objects()[HERE]["metadata"]["labels"]["rowcast.dev/target"] == NAME
        world.settled()
        assert "rowcast.dev/target" not in one(world, HERE)["metadata"]["labels"]
        wait_until(lambda: statuses(world, both).get(NAME) == ("created", 1), lambda: str(statuses(world, both)))
        wait_until(lambda: statuses(world, other).get(NAME) == ("elsewhere", 1), lambda: str(statuses(world, other)))
        assert statuses(world, both)["k8s"] == ("created", 1)

    # While it is down, nothing waits for it but its own rows; what is written meanwhile comes to it afterwards.
    with world.api() as api:
        done(api.patch(f"/appconfigs/{both['id']}", json={"branch": "next"}))
    world.settled()
    before = one(world, HERE)["metadata"]["resourceVersion"]
    assert eu.objects()[HERE]["spec"]["branch"] == "main"
    world.kubectl("delete", "appconfig", HERE, "--namespace", eu.namespace)

    with eu.up():
        wait_until(lambda: HERE in eu.objects() and eu.objects()[HERE]["spec"]["branch"] == "next")
        run = eu.reconcile()
        assert (run["state"], run["differences"]["orphaned"]) == ("done", 0)
        wait_until(lambda: statuses(world, both).get(NAME, ("", 0))[1] == both["generation"] + 1)
        assert one(world, HERE)["metadata"]["resourceVersion"] == before

        with world.sql() as cursor:
            cursor.execute("DELETE FROM app_configs WHERE name IN (%s, %s)", (HERE, ELSEWHERE))
        wait_until(lambda: not eu.objects())


def one(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("get", "appconfig", name, "--output", "json"))
    return found
