"""What change capture can't see, and what hands do to the targets, is put right. Each test cleans up after itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from world import World, done, wait_until

TARGETS = ("k8s", "git")


@pytest.fixture(autouse=True)
def clean(world: World) -> Iterator[None]:
    """Rows of these tests are named `rec-…`, and go in the end."""
    with world.cleared("rec-"):
        yield


def sync(world: World, target: str) -> httpx.Client:
    url = world.env[f"ROWCAST_SYNC_{target.upper()}_URL"]
    token = world.env.get("APP_API_TOKEN")
    headers = {"dapr-api-token": token} if token else {}
    return httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False)


def reconcile(world: World, target: str, **body: Any) -> dict[str, Any]:
    with sync(world, target) as http:
        wait_until(lambda: done(http.get("/reconcile"))["current"] is None)
        return done(http.post("/reconcile", json={"wait_seconds": 60, **body}))


def found(run: dict[str, Any]) -> tuple[int, int, int]:
    counts = run["differences"]
    return counts["missing"], counts["different"], counts["orphaned"]


@contextmanager
def commit(world: World, subject: str) -> Iterator[Path]:
    """A clone to edit, whose changes are pushed as somebody else's commit."""
    with world.clone() as folder:
        yield folder
        person = ("-c", "user.name=Mallory", "-c", "user.email=mallory@example.org")
        for command in (["add", "--all"], [*person, "commit", "--quiet", "-m", subject], ["push", "--quiet"]):
            subprocess.run(["git", *command], cwd=folder, check=True, timeout=60, capture_output=True)


def test_an_object_that_kubectl_deletes_comes_back_by_itself(world: World) -> None:
    world.create("rec-deleted")
    world.settled()

    world.kubectl("delete", "appconfig", "rec-deleted")

    world.settled()


def test_a_spec_that_kubectl_edits_is_put_right_by_itself(world: World) -> None:
    world.create("rec-edited")
    world.settled()

    world.kubectl("patch", "appconfig", "rec-edited", "--type=merge", "--patch", '{"spec": {"branch": "by-hand"}}')

    wait_until(lambda: world.cluster()["rec-edited"][3] == "main")
    world.settled()


def test_what_others_add_to_an_object_stays(world: World) -> None:
    world.create("rec-labelled")
    world.settled()

    world.kubectl("label", "appconfig", "rec-labelled", "team=shop")

    assert found(reconcile(world, "k8s")) == (0, 0, 0)
    assert world.kubectl("get", "appconfig", "rec-labelled", "-o", "jsonpath={.metadata.labels.team}") == "shop"


def test_files_that_a_foreign_commit_edits_and_deletes_are_put_right(world: World) -> None:
    for name in ("rec-file-edited", "rec-file-deleted"):
        world.create(name)
    world.settled()
    with commit(world, "By hand") as folder:
        edited = folder / "environments/dev/appconfigs/rec-file-edited.yaml"
        edited.write_text(edited.read_text().replace("branch: main", "branch: by-hand"))
        (folder / "environments/dev/appconfigs/rec-file-deleted.yaml").unlink()

    dry = reconcile(world, "git", dry_run=True)
    assert (found(dry), dry["outcomes"]) in [((1, 1, 0), {}), ((0, 0, 0), {})]  # the fetch may have told already
    reconcile(world, "git")

    world.settled()


@contextmanager
def truncated(world: World) -> Iterator[None]:
    """The table is emptied past its trigger, and what was in it comes back in the end, at the generations it had."""
    with world.sql() as cursor:
        cursor.execute("CREATE TABLE rec_backup AS SELECT * FROM app_configs")
        cursor.execute("ALTER TABLE app_configs DISABLE TRIGGER app_configs_no_truncate")
        cursor.execute("TRUNCATE app_configs")
        cursor.execute("ALTER TABLE app_configs ENABLE ALWAYS TRIGGER app_configs_no_truncate")
    try:
        yield
    finally:
        with world.sql() as cursor:
            cursor.execute("ALTER TABLE app_configs DISABLE TRIGGER USER")
            cursor.execute("INSERT INTO app_configs OVERRIDING SYSTEM VALUE SELECT * FROM rec_backup")
            enable_triggers(cursor)
            cursor.execute("DROP TABLE rec_backup")


def test_an_emptied_table_is_refused_by_the_prune_limit_and_done_when_told_to(world: World) -> None:
    for number in range(12):
        world.create(f"rec-many-{number}")
    world.settled()
    before = world.table()

    with truncated(world):
        for target in TARGETS:
            refused = reconcile(world, target)
            assert refused["state"] == "refused"
            assert f"would prune {len(before)} of {len(before)} rows" in refused["error"]
        assert world.cluster() == world.repository() == before

        for target in TARGETS:
            assert reconcile(world, target, prune_limit=1)["outcomes"] == {"deleted": len(before)}
        assert world.cluster() == world.repository() == {}

    for target in TARGETS:
        reconcile(world, target)
    world.settled()
    assert world.table() == before


def test_a_table_restored_to_an_earlier_state_wins_over_what_was_delivered_later(world: World) -> None:
    kept, gone, renamed = (world.create(f"rec-{name}") for name in ("kept", "gone", "renamed"))
    with world.sql() as cursor:
        cursor.execute("CREATE TABLE rec_backup AS SELECT * FROM app_configs WHERE name LIKE 'rec-%'")
    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'later' WHERE id = %s", (kept["id"],))
        cursor.execute("DELETE FROM app_configs WHERE id = %s", (gone["id"],))
        cursor.execute("UPDATE app_configs SET name = 'rec-other' WHERE id = %s", (renamed["id"],))
    later = world.create("rec-later")
    world.settled()

    with world.sql() as cursor:
        unseen(cursor, "DELETE FROM app_configs WHERE name LIKE 'rec-%'")
        unseen(cursor, "INSERT INTO app_configs OVERRIDING SYSTEM VALUE SELECT * FROM rec_backup")
        cursor.execute("DROP TABLE rec_backup")
    for target in TARGETS:
        reconcile(world, target)

    world.settled()
    assert {"rec-kept", "rec-gone", "rec-renamed"} <= world.cluster().keys()
    assert not {"rec-other", later["name"]} & world.cluster().keys()
    with world.sql() as cursor:  # and changes after it flow as ever
        cursor.execute("UPDATE app_configs SET branch = 'after' WHERE name LIKE 'rec-%'")
    world.settled()


def enable_triggers(cursor: Any) -> None:
    captured = (f"captured_{event}" for event in ("insert", "update", "delete"))
    for trigger in ("before", "history", "name_unique", "no_truncate", *captured):
        cursor.execute(f"ALTER TABLE app_configs ENABLE ALWAYS TRIGGER app_configs_{trigger}")


def unseen(cursor: Any, statement: str) -> None:
    """Run a statement that no event tells of: the publication looks away for its transaction.

    What the triggers would have captured is captured there, so that crud finds nothing that has bypassed them.
    """
    cursor.execute("ALTER PUBLICATION rowcast DROP TABLE rowcast.rows")
    cursor.execute("ALTER TABLE app_configs DISABLE TRIGGER USER")
    cursor.execute(statement)
    enable_triggers(cursor)
    cursor.execute("SELECT rowcast.write_configurations(ARRAY(SELECT id FROM app_configs))")
    cursor.execute(
        "UPDATE rowcast.rows SET deleted = true WHERE renderer = 'appconfigs'"
        " AND key NOT IN (SELECT id::text FROM app_configs)"
    )
    cursor.execute("ALTER PUBLICATION rowcast ADD TABLE rowcast.rows")


def test_a_dry_run_changes_nothing_and_the_command_says_what_it_would_do(world: World) -> None:
    row = world.create("rec-dry")
    world.settled()
    assert command(world, "git", "--dry-run").returncode == 0
    before = world.repository()
    with world.sql() as cursor:
        unseen(cursor, f"UPDATE app_configs SET branch = 'unseen', generation = 2 WHERE id = {row['id']}")

    ran = command(world, "git", "--dry-run")

    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert f"correct rec-dry (row appconfigs/{row['id']}@2): generation 1 is there, the table has 2" in ran.stdout
    assert world.repository() == before
    for target in TARGETS:
        assert command(world, target).returncode == 0
    world.settled()
    assert command(world, "git", "--dry-run").returncode == 0


def command(world: World, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    rowcast = str(Path(sys.executable).parent / "rowcast")
    arguments = [rowcast, "reconcile", "--target", target, *options]
    return subprocess.run(arguments, env={**os.environ, **world.env}, capture_output=True, text=True, timeout=120)
