"""A platform that is stopped and started with another broker loses no change."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rowcast_local.platform import Platform
from world import World, done, wait_until

SYNC = ("sync-k8s", "sync-git")


@pytest.fixture
def folder() -> Iterator[Path]:
    state = Path(tempfile.mkdtemp(prefix="rowcast-change-"))
    yield state
    Platform(state).destroy()
    shutil.rmtree(state, ignore_errors=True)


@contextmanager
def started(folder: Path, broker: str) -> Iterator[tuple[Platform, World]]:
    platform = Platform(folder, free_ports=True, broker=broker)
    platform.start()
    platform.wait_ready()
    try:
        yield platform, World(platform.env())
    finally:
        platform.stop()


def leave_unread(platform: Platform, world: World, row: str) -> None:
    """What is changed after this is said to nobody: some of it waits in the broker, some was never captured.

    Of one row each: a change, a deletion and a creation, before and after the end of capture.
    """
    for name in SYNC:
        platform.stop_part(name)
    change_and_delete(world, f"{row}-broker")
    platform.stop_part("connect" if platform.capture == "connect" else "capture")
    change_and_delete(world, f"{row}-log")


def change_and_delete(world: World, name: str) -> None:
    world.create(f"{name}-new")
    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'changed' WHERE name = %s", (f"{name}-changed",))
        cursor.execute("DELETE FROM app_configs WHERE name = %s", (f"{name}-deleted",))
        assert cursor.rowcount == 1


def rows_to_change(world: World, row: str) -> None:
    for place in ("broker", "log"):
        for what in ("changed", "deleted"):
            world.create(f"{row}-{place}-{what}")
    world.settled()


def one_change_is_captured(world: World, name: str) -> None:
    """By an event, that is, and not by a look at the table, which would come to the same a little later."""
    row = world.create(name)

    def statuses() -> list[dict[str, Any]]:
        with world.api() as api:
            return list(done(api.get(f"/appconfigs/{row['id']}/status"))["targets"].values())

    wait_until(lambda: all(status["observed_generation"] == 1 for status in statuses()), lambda: str(statuses()))
    assert all(status["times"]["captured"] for status in statuses()), statuses()


def test_what_nobody_had_read_arrives_by_the_next_broker(folder: Path) -> None:
    """Back again, and to the engine, a release goes in tests/cluster/test_release_changes_broker.py."""
    with started(folder, "kafka") as (platform, world):
        rows_to_change(world, "unread")
        leave_unread(platform, world, "unread")
        expected = world.table()
    with started(folder, "redis") as (_, world):
        world.settled()
        assert world.table() == expected
        one_change_is_captured(world, "captured-in-the-end")
