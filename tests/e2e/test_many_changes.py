"""Many changes at once, and changes made while a part is down. Each ends with table, cluster and repository equal."""

from __future__ import annotations

import random

import pytest

from rowcast_local.platform import Platform
from world import World, config, done, wait_until

INSERT = """
    INSERT INTO app_configs (name, repository_url, branch, environment)
    SELECT %s || '-' || n, 'https://git.example.com/shop/many.git', 'main', 'env-' || n %% 5
    FROM generate_series(1, %s) AS n
"""


def test_a_transaction_that_changes_500_rows_arrives_whole(world: World) -> None:
    with world.sql() as cursor:
        cursor.execute(INSERT, ("batch", 500))
    world.settled()

    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'next' WHERE name LIKE 'batch-%'")
    world.settled()

    assert sum(state[1:4:2] == (2, "next") for state in world.cluster().values()) >= 500


def test_the_bulk_endpoint_changes_rows_all_or_nothing(world: World) -> None:
    good = [{"action": "create", "config": config(f"bulk-{n}")} for n in range(20)]
    with world.api() as api:
        refused = api.post("/appconfigs:batch", json={"items": [*good, {"action": "create", "config": config("Bad_")}]})
        done(api.post("/appconfigs:batch", json={"items": good}))

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["index"] == 20
    world.settled()


@pytest.mark.parametrize(
    "parts",
    [
        ["sync-k8s", "sync-git"],
        ["sync-k8s-dapr", "sync-git-dapr"],
        ["kafka"],
        ["kube-apiserver"],
        ["connect"],
        ["crud"],
    ],
    ids=lambda parts: "+".join(parts),
)
def test_a_thousand_changes_made_while_a_part_is_down_arrive_when_it_returns(
    platform: Platform, world: World, parts: list[str]
) -> None:
    prefix = f"down-{parts[0]}"
    with world.sql() as cursor:
        cursor.execute(INSERT, (prefix, 200))
    world.settled()

    for part in parts:
        platform.stop_part(part)
    changes(world, prefix, count=1000)
    for part in parts:
        platform.start_part(part)

    world.settled()


def test_what_is_killed_in_the_middle_loses_nothing(platform: Platform, world: World) -> None:
    with world.sql() as cursor:
        cursor.execute(INSERT, ("killed", 200))
    world.settled()

    for part in ("sync-k8s", "sync-git", "sync-k8s-dapr", "connect", "kafka", "etcd", "postgres"):
        changes(world, "killed", count=50, seed=part)
        platform.kill_part(part)  # the supervisor starts it again
        wait_until(lambda: bool(world.table()))

    world.settled()


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
