"""What change capture can't see through by itself, each with its page: the page's own commands are run here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from rowcast_local.parts.cluster_objects import apply_cluster_objects
from rowcast_local.platform import Platform
from superuser import superuser
from world import World, config, done, wait_until

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```bash(?: (connect|engine))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Its first group is the way of capture that a block is for, if it is for one alone."""
TOPIC = "rowcast.public.app_configs"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def clean(world: World) -> Iterator[None]:
    """Rows of these tests are named `lost-…`, and go in the end."""
    with world.cleared("lost-"):
        yield


def follow(platform: Platform, world: World, page: str) -> str:
    """Run every command of a page, in one shell, and return what they printed."""
    ways = ("", world.env.get("ROWCAST_CAPTURE", "connect"))
    blocks = [block for way, block in BLOCK.findall((HOW_TO / page).read_text()) if way in ways]
    script = "set -euo pipefail\n" + "\n".join(blocks)
    path = [Path(sys.executable).parent, platform.blueprint.toolbox.postgres, world.env.get("PATH", os.environ["PATH"])]
    environment = {**os.environ, **world.env, "PATH": os.pathsep.join(map(str, path))}
    ran = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def rows(world: World) -> dict[str, dict[str, Any]]:
    """Some rows, everywhere."""
    made = {name: world.create(f"lost-{name}") for name in ("kept", "changed", "renamed", "deleted")}
    world.settled()
    return made


def change(world: World, made: dict[str, dict[str, Any]]) -> None:
    """One change of each kind."""
    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'meanwhile' WHERE id = %s", (made["changed"]["id"],))
        cursor.execute("UPDATE app_configs SET name = 'lost-other' WHERE id = %s", (made["renamed"]["id"],))
        cursor.execute("DELETE FROM app_configs WHERE id = %s", (made["deleted"]["id"],))
    with world.api() as api:
        done(api.post("/appconfigs", json=config("lost-new")))


def recovered(world: World) -> None:
    """Everything is equal and told to be, and goes on to be."""
    world.settled()
    wait_until(lambda: unsynced(world) == [], lambda: str(unsynced(world)))
    later = world.create("lost-later")
    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'later' WHERE name LIKE 'lost-%'")
    world.settled()
    wait_until(lambda: unsynced(world) == [], lambda: str(unsynced(world)))
    assert world.cluster()["lost-later"][0] == later["id"]


def unsynced(world: World) -> list[str]:
    with world.api() as api:
        return [
            f"{row['name']}: {row['sync']}"
            for state in ("pending", "failed")
            for row in done(api.get("/appconfigs", params={"state": state, "limit": 1000}))["items"]
        ]


@contextmanager
def stopped(platform: Platform, *parts: str) -> Iterator[None]:
    for part in parts:
        platform.stop_part(part)
    try:
        yield
    finally:
        for part in parts:
            platform.start_part(part)
        platform.wait_ready(names=parts)


def test_a_slot_that_was_dropped(platform: Platform, world: World) -> None:
    made = rows(world)
    with stopped(platform, "connect"):
        wait_until(lambda: dropped(platform))
        change(world, made)

    follow(platform, world, "recover-from-lost-slot.md")

    recovered(world)


def dropped(platform: Platform) -> bool:
    with superuser(platform) as cursor:
        cursor.execute("SELECT pg_drop_replication_slot('rowcast')")
    return True


def test_a_connector_that_lost_its_offsets(platform: Platform, world: World) -> None:
    made = rows(world)
    with world.connect("/connectors/rowcast") as connector:
        connector.put("/stop").raise_for_status()
        change(world, made)
        wait_until(lambda: connector.delete("/offsets").is_success)
        connector.put("/resume").raise_for_status()

    follow(platform, world, "recover-from-lost-offsets.md")

    recovered(world)


def test_a_topic_that_was_deleted_with_what_was_in_it(platform: Platform, world: World) -> None:
    made = rows(world)
    with stopped(platform, "sync-k8s-dapr", "sync-git-dapr"):
        change(world, made)
        wait_until(lambda: captured(world))
        with closing(KafkaAdminClient(bootstrap_servers=world.env["ROWCAST_KAFKA"])) as kafka:
            kafka.delete_topics([TOPIC])

    follow(platform, world, "recover-from-recreated-topic.md")

    recovered(world)


def captured(world: World) -> bool:
    """Whether the slot has nothing left to read: all of it is in the topic then."""
    with world.sql() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()")
        row = cursor.fetchone()
        assert row is not None
        here = row[0]
    wait_until(lambda: confirmed(world, here))
    return True


def confirmed(world: World, lsn: str) -> bool:
    with world.sql() as cursor:
        cursor.execute("SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = 'rowcast'", (lsn,))
        row = cursor.fetchone()
        return bool(row and row[0])


def test_a_database_restored_from_a_copy_of_its_files(platform: Platform, world: World, tmp_path: Path) -> None:
    made = rows(world)
    data = platform.blueprint.postgres.data
    copy = data.with_name("copy")
    with stopped(platform, "postgres"):
        shutil.copytree(data, copy, copy_function=copied)
        shutil.copystat(data, copy)
        owned_like(data, copy)
    try:
        wait_until(lambda: bool(world.table()))
        change(world, made)
        world.settled()
        with stopped(platform, "postgres"):
            shutil.rmtree(data)
            copy.rename(data)
        wait_until(lambda: "lost-deleted" in world.table())

        follow(platform, world, "recover-from-restored-database.md")

        recovered(world)
        assert {"lost-deleted", "lost-renamed"} <= world.cluster().keys()
        assert "lost-new" not in world.cluster()
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def copied(source: str, target: str) -> str:
    return str(shutil.copy2(source, target))


def owned_like(source: Path, target: Path) -> None:
    owner = source.stat()
    for path in (target, *target.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def test_a_database_restored_from_a_dump(platform: Platform, world: World, tmp_path: Path) -> None:
    made = rows(world)
    programs = platform.blueprint.toolbox.postgres
    dump = tmp_path / "rowcast.dump"
    url = world.env["ROWCAST_DATABASE_URL"]
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", url], check=True, timeout=60)
    change(world, made)
    world.settled()

    with stopped(platform, "connect"):
        wait_until(lambda: dropped(platform))
        subprocess.run(
            [programs / "pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={url}", dump],
            check=True,
            timeout=60,
        )
    follow(platform, world, "recover-from-restored-database.md")

    recovered(world)
    assert {"lost-deleted", "lost-renamed"} <= world.cluster().keys()
    assert "lost-new" not in world.cluster()


def test_a_fresh_cluster_and_an_empty_repository(platform: Platform, world: World) -> None:
    rows(world)
    blueprint = platform.blueprint
    with stopped(platform, "etcd", "kube-apiserver"):
        shutil.rmtree(blueprint.etcd.data)
        blueprint.etcd.prepare()
    apply_cluster_objects(blueprint.kube_apiserver)
    shutil.rmtree(blueprint.git_repository.folder)
    blueprint.git_repository.prepare()
    assert world.cluster() == world.repository() == {}

    follow(platform, world, "recover-from-lost-target.md")

    recovered(world)
