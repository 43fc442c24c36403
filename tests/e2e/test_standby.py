"""A synchronous standby that is away: commits are in the log, and captured, before anybody sees them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from rowcast_local.platform import Platform
from superuser import superuser
from world import World, wait_until

TARGETS = ("ROWCAST_SYNC_K8S_URL", "ROWCAST_SYNC_GIT_URL")
INSERT = """
    INSERT INTO app_configs (name, repository_url, branch, environment)
    VALUES ('not-visible-yet', 'https://git.example.com/shop/a.git', 'main', 'dev')
"""


def test_what_is_captured_before_it_is_visible_is_not_taken_for_gone(platform: Platform, world: World) -> None:
    world.create("visible-before")
    world.settled()
    with ThreadPoolExecutor(1) as elsewhere:
        with standby_away(platform):
            saving = elsewhere.submit(insert, world)
            wait_until(lambda: all(waits(world, target) for target in TARGETS), lambda: f"done: {saving.done()}")
            assert "not-visible-yet" not in world.table()
        saving.result(60)

    world.settled()
    assert "not-visible-yet" in world.cluster()


def insert(world: World) -> None:
    with world.sql(autocommit=True) as cursor:
        cursor.execute(INSERT)


def waits(world: World, target: str) -> bool:
    error = httpx.get(f"{world.env[target]}/facts", timeout=10).json()["retrying"]["error"]
    return error is not None and "does not show yet" in error


@contextmanager
def standby_away(platform: Platform) -> Iterator[None]:
    """Every commit waits for a standby that is not there; what does not commit goes on."""
    set_standbys(platform, "SET synchronous_standby_names = 'away'", "away")
    try:
        yield
    finally:
        set_standbys(platform, "RESET synchronous_standby_names", "")


def set_standbys(platform: Platform, command: str, wanted: str) -> None:
    with superuser(platform) as cursor:
        cursor.execute(f"ALTER SYSTEM {command}")
        cursor.execute("SELECT pg_reload_conf()")

        def known() -> bool:
            cursor.execute("SHOW synchronous_standby_names")
            return bool(cursor.fetchone() == (wanted,))

        wait_until(known)
