"""A second cluster beside the platform's own: a target of the same kind, with a name and a reader of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import running
from rowcast_local.part import Part
from rowcast_local.parts.cluster_objects import apply_cluster_objects
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports, wanted_ports
from world import World, done, wait_until

NAME = "k8s-eu"
HERE, ELSEWHERE = "several-here", "several-elsewhere"
SETTINGS = {"ROWCAST_ENVIRONMENTS": json.dumps({"*": None, "eu": {}}), "ROWCAST_RECONCILE_SECONDS": "0"}


@dataclass(frozen=True)
class Eu:
    """The instance, which delivers the rows of the environment `eu` alone to a namespace of its own."""

    world: World
    namespace: str
    sync: Part
    sidecar: Part
    url: str
    folder: Path

    @contextmanager
    def up(self) -> Iterator[None]:
        with (
            running(self.sync.program, self.sync.ready, self.folder / "sync.log"),
            running(self.sidecar.program, self.sidecar.ready, self.folder / "sidecar.log"),
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
    """As `./task up -- --targets k8s-eu` has it, beside a platform that was started without."""
    ports = dict(zip(wanted_ports([NAME]), free_ports(), strict=False)) | dict(platform.blueprint.ports)
    sync = f"sync-{NAME}"
    blueprint = replace(platform.blueprint, targets=(NAME,), ports=ports, settings={sync: SETTINGS})
    blueprint.place_broker()
    apply_cluster_objects(blueprint.kube_apiserver, blueprint.namespaces.values())
    parts = {part.name: part for part in blueprint.parts()}
    instance, sidecar = parts[sync], parts[f"{sync}-dapr"]
    sidecar.prepare()
    yield Eu(world, blueprint.namespaces[NAME], instance, sidecar, blueprint.url(sync), tmp_path)
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
