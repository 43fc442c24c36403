"""One change at a time travels the whole way."""

from __future__ import annotations

import subprocess

import brokers
from world import World, config, done, wait_until


@brokers.on_every_platform
def test_a_created_row_becomes_a_custom_resource_and_a_commit(world: World) -> None:
    created = world.create("created-row", branch="release/1", environment="prod")

    world.settled()

    expected = (created["id"], 1, created["repository_url"], "release/1", "prod")
    assert world.cluster()["created-row"] == world.repository()["created-row"] == expected


@brokers.on_every_broker
def test_an_update_arrives_with_its_generation_and_its_person(world: World) -> None:
    row = world.create("updated-row")
    with world.api("bob") as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers={"if-match": '"1"'}))

    world.settled()

    assert world.cluster()["updated-row"][1:4] == (2, row["repository_url"], "next")
    annotation = r"jsonpath={.metadata.annotations.rowcast\.dev/updated-by}"
    assert world.kubectl("get", "ac", "updated-row", "-o", annotation) == "bob"


def test_a_rename_moves_the_object_and_the_file(world: World) -> None:
    row = world.create("before-rename")
    world.settled()

    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"name": "after-rename"}))
    world.settled()

    assert world.cluster()["after-rename"][0] == row["id"]
    assert "before-rename" not in world.cluster()


def test_a_row_that_changes_its_environment_moves_its_file(world: World) -> None:
    row = world.create("moving-row", environment="staging")
    world.settled()

    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"environment": "prod"}))

    world.settled()


@brokers.on_every_broker
def test_a_deletion_removes_both_and_the_commit_names_who_deleted(world: World) -> None:
    row = world.create("deleted-row", person="alice")
    world.settled()

    with world.api("carol") as api:
        done(api.delete(f"/appconfigs/{row['id']}"))
    world.settled()

    assert "deleted-row" not in world.cluster()
    with world.clone() as folder:
        command = ["git", "log", "-1", "--format=%an", "--", "environments/dev/appconfigs/deleted-row.yaml"]
        author = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    assert author == "carol"


def test_direct_sql_counts_as_much_as_the_api(world: World) -> None:
    world.create("edited-by-sql")
    world.create("deleted-by-sql")
    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'hotfix' WHERE name = 'edited-by-sql'")
        cursor.execute("DELETE FROM app_configs WHERE name = 'deleted-by-sql'")

    world.settled()

    assert world.cluster()["edited-by-sql"][1:4:2] == (2, "hotfix")
    assert "deleted-by-sql" not in world.repository()


@brokers.on_every_broker
def test_two_rows_that_swap_names_in_one_transaction_end_swapped(world: World) -> None:
    left, right = world.create("left"), world.create("right")
    world.settled()

    with world.sql() as cursor:
        cursor.execute("SET LOCAL rowcast.renaming = 'on'")
        cursor.execute("UPDATE app_configs SET name = 'swapping' WHERE id = %s", (left["id"],))
        cursor.execute("SET LOCAL rowcast.renaming = 'off'")
        cursor.execute("UPDATE app_configs SET name = 'left' WHERE id = %s", (right["id"],))
        cursor.execute("UPDATE app_configs SET name = 'right' WHERE id = %s", (left["id"],))
    world.settled()

    assert (world.cluster()["left"][0], world.cluster()["right"][0]) == (right["id"], left["id"])
    with world.clone() as folder:
        command = ["git", "log", "--format=%s", "--", "environments/dev/appconfigs/swapping.yaml"]
        assert subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout == ""


@brokers.on_every_broker
def test_a_name_that_is_deleted_and_created_again_belongs_to_the_new_row(world: World) -> None:
    first = world.create("reborn")
    with world.api() as api:
        done(api.delete(f"/appconfigs/{first['id']}"))
        second = done(api.post("/appconfigs", json=config("reborn", branch="second")))

    world.settled()

    assert world.cluster()["reborn"] == (second["id"], 1, second["repository_url"], "second", "dev")


@brokers.on_every_broker
def test_the_status_says_what_became_of_a_row_at_each_target(world: World) -> None:
    row = world.create("reported-row")
    world.settled()

    def targets() -> dict[str, dict[str, object]]:
        with world.api() as api:
            found: dict[str, dict[str, object]] = done(api.get(f"/appconfigs/{row['id']}/status"))["targets"]
            return found

    wait_until(lambda: all(t["state"] == "synced" for t in targets().values()), lambda: str(targets()))
    with world.clone() as folder:
        tip = subprocess.run(["git", "log", "--format=%H"], cwd=folder, check=True, capture_output=True, text=True)
    assert targets()["git"]["reference"] in tip.stdout.split()
    assert targets()["k8s"]["observed_generation"] == 1
