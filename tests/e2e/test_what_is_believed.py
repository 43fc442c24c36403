"""Events that anybody could write, and those that lack or hide something: what the table says counts."""

from __future__ import annotations

import json
import random
import string
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from rowcast_local.platform import Platform
from stray import publishing
from unit.core.changes import event
from world import World, config, done, wait_until

CHANGES = "rowcast.public.app_configs"
FAR = 2**40
"""The LSN of forged events: later than any that the database has."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def tidy(world: World) -> Iterator[None]:
    """Rows of these tests are named `believed-…`, and go in the end; so do the letters."""
    with world.cleared("believed-"):
        yield
    with world.api() as api:
        while found := [letter["id"] for letter in done(api.get("/deadletters"))["items"]]:
            done(api.post("/deadletters:discard", json={"ids": found, "reason": "a test has ended"}))


@pytest.fixture(scope="module")
def broker(platform: Platform) -> Iterator[httpx.Client]:
    """Somebody who reaches the broker."""
    with publishing(platform) as stray:
        yield stray


def publish(broker: httpx.Client, forged: object) -> None:
    """An event as it is, to all partitions. The same letter of several of them is kept once."""
    content = forged if isinstance(forged, str) else json.dumps(forged)
    for number in range(12):
        params = {"metadata.rawPayload": "true", "metadata.partitionKey": str(number)}
        broker.post(f"/v1.0/publish/pubsub/{CHANGES}", content=content, params=params).raise_for_status()


def synced(world: World, row_id: int) -> None:
    """Wait until all hold the same, and the row's status says so at both targets."""
    world.settled()

    def states() -> dict[str, Any]:
        with world.api() as api:
            return dict(done(api.get(f"/appconfigs/{row_id}/status"))["targets"])

    wait_until(lambda: {one["state"] for one in states().values()} == {"synced"}, lambda: str(states()))


def like(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The fields of a row's event."""
    kept = ("name", "repository_url", "branch", "environment", "generation")
    return {"row_id": row["id"], **{field: row[field] for field in kept}, **fields}


def test_odd_events_are_dead_letters_and_hold_up_nobody(world: World, broker: httpx.Client) -> None:
    odd: list[object] = [
        {**event(row_id=FAR), "iodebeziumlsn": "9" * 5_000},
        event(row_id=FAR, generation=2**63, lsn=FAR),
        event(row_id=FAR, name="../../../namespaces/kube-system/secrets/believed", lsn=FAR),
        event(row_id=FAR, branch="\ud83d", lsn=FAR),
        json.dumps(event(row_id=FAR, lsn=FAR)).replace('"main"', "9" * 5_000),
        json.dumps(event(row_id=FAR, lsn=FAR)).replace('"main"', "[" * 300 + "]" * 300),
        json.dumps(event(row_id=FAR, lsn=FAR)).replace('"main"', "[" * 20_000 + "]" * 20_000),
    ]
    for one in odd:
        publish(broker, one)
    rows = [world.create(f"believed-beside-{number}") for number in range(6)]

    for row in rows:
        synced(world, row["id"])
    with world.api() as api:

        def letters() -> dict[str, Any]:
            return done(api.get("/deadletters", params={"target": "k8s", "limit": 200}))

        wait_until(
            lambda: letters()["total"] >= len(odd) - 1,
            lambda: str(Counter(one["error"][:80] for one in letters()["items"])),
        )
    assert done(httpx.get(f"{world.env['ROWCAST_SYNC_K8S_URL']}/readyz", trust_env=False))


@pytest.mark.parametrize("generation", [1, 2, 2**60])
def test_a_forged_deletion_takes_nothing_away(world: World, broker: httpx.Client, generation: int) -> None:
    row = world.create("believed-kept")
    synced(world, row["id"])

    publish(broker, event("d", lsn=FAR, **like(row, generation=generation)))
    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"branch": "true"}))

    synced(world, row["id"])
    assert world.cluster()["believed-kept"][3] == world.repository()["believed-kept"][3] == "true"


def test_a_forged_generation_does_not_fence_the_row_off(world: World, broker: httpx.Client) -> None:
    row = world.create("believed-true")
    synced(world, row["id"])

    publish(broker, event(lsn=FAR, **like(row, generation=2**60, branch="forged")))
    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"branch": "true"}))

    synced(world, row["id"])
    assert world.cluster()["believed-true"][1:4] == (2, row["repository_url"], "true")


def test_a_deletion_is_told_whatever_was_forged_of_the_row(world: World, broker: httpx.Client) -> None:
    """What is forged of a row that is gone comes before the event of its deletion, and after it."""
    row = world.create("believed-gone")
    synced(world, row["id"])

    with world.sql() as cursor:
        cursor.execute("DELETE FROM app_configs WHERE id = %s", (row["id"],))
    publish(broker, event(lsn=FAR, **like(row, generation=2**60, branch="forged")))

    with world.api() as api:
        wait_until(lambda: done(api.get("/appconfigs", params={"state": "deleting"}))["total"] == 0)


@contextmanager
def replica_identity_default(world: World) -> Iterator[None]:
    with world.sql() as cursor:
        cursor.execute("ALTER TABLE rowcast.rows REPLICA IDENTITY DEFAULT")
    try:
        yield
    finally:
        with world.sql() as cursor:
            cursor.execute("ALTER TABLE rowcast.rows REPLICA IDENTITY FULL")


def test_without_full_replica_identity_long_values_and_deletions_arrive_all_the_same(world: World) -> None:
    path = "".join(random.Random(12).choices(string.ascii_letters + string.digits, k=2_010))
    with replica_identity_default(world), world.api() as api:
        kept, gone = (
            done(api.post("/appconfigs", json=config(name, repository_url=f"https://git.example/{path}")))
            for name in ("believed-long", "believed-gone")
        )
        done(api.patch(f"/appconfigs/{kept['id']}", json={"branch": "next"}))
        synced(world, kept["id"])
        synced(world, gone["id"])
        with world.sql() as cursor:
            cursor.execute("DELETE FROM app_configs WHERE id = %s", (gone["id"],))
        world.settled()

        assert world.cluster()["believed-long"][1:4] == (2, f"https://git.example/{path}", "next")
        wait_until(lambda: done(api.get("/appconfigs", params={"state": "deleting"}))["total"] == 0)


def test_a_change_that_bypassed_the_triggers_arrives_by_its_event(world: World) -> None:
    row = world.create("believed-bypassed")
    synced(world, row["id"])
    modes = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}
    with world.sql() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'app_configs'::regclass AND NOT tgisinternal"
        )
        triggers = [(name, modes[mode]) for name, mode in cursor.fetchall()]
        cursor.execute("ALTER TABLE app_configs DISABLE TRIGGER USER")
        cursor.execute("UPDATE app_configs SET branch = 'bypassed' WHERE id = %s", (row["id"],))
        for name, mode in triggers:
            cursor.execute(f'ALTER TABLE app_configs {mode} TRIGGER "{name}"')

    synced(world, row["id"])
    assert world.cluster()["believed-bypassed"][3] == "bypassed"
