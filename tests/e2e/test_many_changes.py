"""Many changes at once, and changes made while a part is down. Each ends with table, cluster and repository equal."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import brokers
from chaos.places import Cluster, Repository
from chaos.witness import ClusterWitness, HistoryWitness
from rowcast_local.platform import Platform
from world import World, config, done, wait_until

INSERT = """
    INSERT INTO app_configs (name, repository_url, branch, environment)
    SELECT %s || '-' || n, 'https://git.example.com/shop/many.git', 'main', 'env-' || n %% 5
    FROM generate_series(1, %s) AS n
"""


@brokers.on_every_broker
def test_a_transaction_that_changes_many_rows_arrives_whole(platform: Platform, world: World) -> None:
    rows = 500 if platform.broker == "kafka" else 150
    with world.sql() as cursor:
        cursor.execute(INSERT, ("batch", rows))
    world.settled()

    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'next' WHERE name LIKE 'batch-%'")
    world.settled()

    assert sum(state[1:4:2] == (2, "next") for state in world.cluster().values()) >= rows


@brokers.on_every_broker
def test_updates_of_one_row_arrive_in_their_order(platform: Platform, world: World) -> None:
    row = world.create("in-order")
    world.settled()

    with witnessed(platform) as seen, world.sql(autocommit=True) as cursor:
        for number in range(100):
            cursor.execute("UPDATE app_configs SET branch = %s WHERE id = %s", (f"b-{number}", row["id"]))
        world.settled()

    assert world.cluster()["in-order"][1:4:2] == (101, "b-99")
    assert seen == []


def test_the_bulk_endpoint_changes_rows_all_or_nothing(world: World) -> None:
    good = [{"action": "create", "config": config(f"bulk-{n}")} for n in range(20)]
    with world.api() as api:
        refused = api.post("/appconfigs:batch", json={"items": [*good, {"action": "create", "config": config("Bad_")}]})
        done(api.post("/appconfigs:batch", json={"items": good}))

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["index"] == 20
    world.settled()


@pytest.mark.parametrize(
    ("roles", "count"),
    [
        (["sync-k8s", "sync-git"], 1000),
        (["sync-k8s-dapr", "sync-git-dapr"], 200),
        (["broker"], 200),
        (["kube-apiserver"], 200),
        (["capture"], 200),
        (["crud"], 200),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, list) else "",
)
def test_changes_made_while_a_part_is_down_arrive_when_it_returns(
    platform: Platform, world: World, roles: list[str], count: int
) -> None:
    parts = brokers.parts(platform, *roles)
    prefix = f"down-{roles[0]}"
    with world.sql() as cursor:
        cursor.execute(INSERT, (prefix, count // 5))
    world.settled()

    for part in parts:
        platform.stop_part(part)
    changes(world, prefix, count)
    for part in parts:
        platform.start_part(part)

    world.settled()


KILLED = (
    *("sync-k8s", "sync-git", "sync-k8s-dapr", "sync-git-dapr", "crud-dapr", "capture", "capture-dapr", "broker"),
    *("etcd", "postgres"),
)


@brokers.on_every_other
def test_what_is_killed_in_the_middle_loses_nothing_and_brings_nothing_back(platform: Platform, world: World) -> None:
    with world.sql() as cursor:
        cursor.execute(INSERT, ("killed", 100))
    world.settled()

    with witnessed(platform) as seen:
        for part in brokers.parts(platform, *KILLED):
            changes(world, "killed", count=30, seed=part)
            platform.kill_part(part)  # the supervisor starts it again
            wait_until(lambda: bool(world.table()))
        world.settled()

    assert seen == []


@contextmanager
def witnessed(platform: Platform) -> Iterator[list[str]]:
    """The stale overwrites that the targets have seen meanwhile, in the end."""
    found: list[str] = []
    cluster = ClusterWitness(Cluster(platform))
    history = HistoryWitness(Repository(platform.blueprint.git_repository.folder))
    try:
        yield found
        wait_until(cluster.caught_up)
        history.look()
        found += cluster.ledger.stale + history.ledger.stale
    finally:
        cluster.close()


def changes(world: World, prefix: str, count: int, seed: str = "") -> None:
    """Updates, renames, moves, deletions and creations by a seeded chance, each in its own transaction."""
    chance = random.Random(f"{prefix} {seed}")
    statements = {
        "UPDATE app_configs SET branch = 'b-' || %(number)s WHERE id = %(id)s": 6,
        f"UPDATE app_configs SET name = '{prefix}-r' || %(number)s WHERE id = %(id)s": 2,
        "UPDATE app_configs SET environment = 'env-' || %(number)s %% 5 WHERE id = %(id)s": 1,
        "DELETE FROM app_configs WHERE id = %(id)s": 1,
        f"INSERT INTO app_configs (name, repository_url, branch, environment) "
        f"VALUES ('{prefix}-n' || %(number)s, 'https://git.example.com/shop/new.git', 'main', 'dev')": 1,
    }
    with world.sql(autocommit=True) as cursor:
        for _ in range(count):
            cursor.execute("SELECT id FROM app_configs WHERE name LIKE %s ORDER BY id", (f"{prefix}-%",))
            row_id = chance.choice(cursor.fetchall())[0]
            (statement,) = chance.choices(list(statements), list(statements.values()))
            cursor.execute(statement, {"id": row_id, "number": chance.randrange(10**9)})
