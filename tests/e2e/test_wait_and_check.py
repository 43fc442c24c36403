"""`rowcast wait` and `rowcast check` on the running platform, as a script would use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from world import World, config, done, wait_until

ROWCAST = (sys.executable, "-c", "from rowcast.cli import app; app()")


def rowcast(world: World, *arguments: str, **other: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **world.env, **other}
    return subprocess.run([*ROWCAST, *arguments], env=environment, capture_output=True, text=True, timeout=180)


def through_the_sidecar(world: World) -> dict[str, str]:
    return {"ROWCAST_CRUD_URL": "", "DAPR_HTTP_PORT": str(urlsplit(world.env["ROWCAST_DAPR_URL"]).port)}


@pytest.mark.parametrize("sidecar", [False, True], ids=["directly", "through a sidecar"])
def test_after_waiting_the_row_is_where_it_belongs(world: World, sidecar: bool) -> None:
    name = f"waited-{'sidecar' if sidecar else 'directly'}"
    row = world.create(name)
    way = through_the_sidecar(world) if sidecar else {}

    ran = rowcast(world, "wait", "--row", str(row["id"]), **way)

    assert ran.returncode == 0, ran.stderr
    assert sorted(line.split(":")[0] for line in ran.stdout.splitlines()) == ["git", "k8s"]
    assert world.cluster()[name] == world.repository()[name] == world.table()[name]


def test_an_update_and_a_deletion_are_waited_for(world: World) -> None:
    row = world.create("waited-changed")
    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}))
        updated = rowcast(world, "wait", "--row", str(row["id"]), "--generation", "2")
        assert world.cluster()["waited-changed"][3] == "next"
        done(api.delete(f"/appconfigs/{row['id']}"))
    deleted = rowcast(world, "wait", "--row", str(row["id"]), "--deleted")

    assert (updated.returncode, deleted.returncode) == (0, 0), updated.stderr + deleted.stderr
    assert "waited-changed" not in {**world.cluster(), **world.repository()}
    assert rowcast(world, "wait", "--row", str(row["id"])).returncode == 1


def test_a_row_that_a_target_refuses_is_code_1_with_the_reason(world: World) -> None:
    name = "waited-theirs"
    theirs = {
        "apiVersion": "rowcast.dev/v1alpha1",
        "kind": "AppConfig",
        "metadata": {"name": name, "namespace": world.env["ROWCAST_NAMESPACE"]},
        "spec": {"id": 1, **config(name)},
    }
    environment = {**os.environ, **world.env}
    create = ["kubectl", "create", "-f", "-"]
    subprocess.run(create, input=json.dumps(theirs), env=environment, check=True, capture_output=True, text=True)
    row = world.create(name)

    ran = rowcast(world, "wait", "--row", str(row["id"]), "--target", "k8s")

    assert (ran.returncode, "not managed by rowcast" in ran.stderr) == (1, True)
    world.kubectl("delete", "appconfig", name)
    with world.api() as api:
        (letter,) = done(api.get("/deadletters", params={"row_id": row["id"]}))["items"]
        done(api.post(f"/deadletters/{letter['id']}:replay"))
    world.settled()


def test_a_check_goes_the_whole_way_and_leaves_nothing(world: World) -> None:
    ran = rowcast(world, "check", **through_the_sidecar(world))

    assert ran.returncode == 0, ran.stderr
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == [
        *("create", "update", "rename", "delete"),
        "all arrived",
    ]
    assert not [name for name in (*world.table(), *world.cluster(), *world.repository()) if "rowcast-check" in name]


def test_a_wait_that_is_too_short_is_code_3(world: World) -> None:
    row = world.create("waited-late")

    ran = rowcast(world, "wait", "--row", str(row["id"]), "--generation", "9", "--timeout", "1")

    assert (ran.returncode, "of 9" in ran.stderr) == (3, True)
    wait_until(lambda: "waited-late" in world.cluster())
