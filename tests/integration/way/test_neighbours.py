"""Two platforms may share a database server, a broker and a Connect: their connectors differ in three names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from world import World, done, wait_until

NAMES = ("--name", "second", "--topic-prefix", "second", "--slot", "second_slot")
ROWCAST = (sys.executable, "-c", "from rowcast.cli import app; app()")


@pytest.fixture
def connect(world: World) -> Iterator[httpx.Client]:
    """Without the second connector and its slot again at the end."""
    with world.connect() as client:
        yield client
        client.delete("/connectors/second")
    with world.sql(autocommit=True) as cursor:

        def dropped() -> bool:
            cursor.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
                " AND NOT active",
                ("second_slot",),
            )
            return "second_slot" not in slots(world)

        wait_until(dropped)


def apply(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*ROWCAST, "connector", "apply", *options]
    return subprocess.run(command, env={**os.environ, **world.env}, capture_output=True, text=True, timeout=180)


def slots(world: World) -> dict[str, bool]:
    with world.sql() as cursor:
        cursor.execute("SELECT slot_name, active FROM pg_replication_slots")
        return dict(cursor.fetchall())


def test_a_second_connector_runs_beside_the_first_and_leaves_it_as_it_is(world: World, connect: httpx.Client) -> None:
    before = done(connect.get("/connectors/rowcast/config"))

    ran = apply(world, *NAMES, "--set", "topic.creation.default.partitions=3")

    assert ran.returncode == 0, ran.stderr
    assert "connector RUNNING, task 0 RUNNING" in ran.stdout
    wait_until(lambda: slots(world) == {"rowcast": True, "second_slot": True})
    assert done(connect.get("/connectors/rowcast/config")) == before
    assert apply(world).stdout.startswith("connector rowcast: unchanged")
    world.create("beside-a-neighbour")
    world.settled()
    wait_until(lambda: "second.public.app_configs" in topics(connect), lambda: str(topics(connect)))


def topics(connect: httpx.Client) -> list[str]:
    """Those that the second connector has written to."""
    written: list[str] = done(connect.get("/connectors/second/topics"))["second"]["topics"]
    return written


def test_a_setting_that_is_not_the_packages_is_shown_by_a_dry_run(world: World) -> None:
    ran = apply(world, "--dry-run", "--set", "database.sslmode=require")

    assert (ran.returncode, "+ database.sslmode = require" in ran.stdout) == (0, True)
