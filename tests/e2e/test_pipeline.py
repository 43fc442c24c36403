"""`GET /pipeline` on the real platform: what is broken is named in words, and the rest is well."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rowcast_local.platform import Platform
from world import World, done, wait_until

Station = dict[str, Any]


@pytest.fixture(autouse=True)
def well(world: World) -> Iterator[None]:
    """Each test begins and ends with everything well."""
    wait_until(lambda: troubles(world) == {}, lambda: str(troubles(world)))
    yield
    wait_until(lambda: troubles(world) == {}, lambda: str(troubles(world)))
    world.settled()


def pipeline(world: World) -> dict[str, Station]:
    """By the way of the dashboard: its sidecar, and crud's."""
    with world.api() as api:
        return {station["name"]: station for station in done(api.get("/pipeline"))["stations"]}


def troubles(world: World) -> dict[str, str]:
    return {name: str(one["message"]) for name, one in pipeline(world).items() if one["state"] != "ok"}


def becomes(world: World, name: str, state: str, words: str = "") -> Station:
    """Wait until a station is in a state, and says these words."""

    def there() -> bool:
        one = pipeline(world)[name]
        return bool(one["state"] == state and words in (one["message"] or ""))

    wait_until(there, lambda: str(pipeline(world)[name]))
    return pipeline(world)[name]


LIMITS = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: limits}
spec:
  source: {table: limits, key: [id]}
  name: limit-${string(row.id)}
  allow: {kinds: [LimitRange, example.com/Widget]}
  manifests: [{id: limit, template: {apiVersion: v1, kind: LimitRange, metadata: {name: "limit-${string(row.id)}"}}}]
"""


@contextmanager
def without(platform: Platform, part: str) -> Iterator[None]:
    platform.stop_part(part)
    try:
        yield
    finally:
        platform.start_part(part)


def measured(url: str, series: str) -> float:
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), float("nan"))


def test_everything_is_well_with_its_figures(world: World) -> None:
    world.create("seen-by-all")
    world.settled()

    def last(target: str) -> Any:
        return pipeline(world)[f"sync-{target}"]["facts"]["last_event"]

    wait_until(lambda: bool(last("k8s") and last("git")))
    found = pipeline(world)
    assert {"database", "rows", "slot", "connect", "connector", "sidecar", "target-git"} <= found.keys()
    assert found["slot"]["facts"]["lag_bytes"] >= 0
    assert found["connector"]["facts"]["tasks"] == [{"task": 0, "state": "RUNNING", "error": None}]
    assert last("k8s")["generation"] >= 1
    assert measured(world.env["ROWCAST_CRUD_URL"], "rowcast_connector_running") == 1
    assert measured(world.env["ROWCAST_SYNC_K8S_URL"], 'rowcast_sync_change_seconds_count{target="k8s"}') >= 1


def test_a_connect_that_is_down_is_named_and_so_is_the_slot_that_fills(platform: Platform, world: World) -> None:
    with without(platform, "connect"):
        assert "Kafka Connect doesn't answer" in becomes(world, "connect", "down")["message"]
        assert becomes(world, "slot", "down", "nobody reads")["advice"] == "slot-behind"
        assert pipeline(world)["connector"]["state"] == "unknown"
        assert pipeline(world)["sync-k8s"]["state"] == "ok"


def test_a_failed_task_under_a_running_connector_is_seen_with_its_cause(world: World) -> None:
    with world.sql() as cursor:
        cursor.execute("ALTER PUBLICATION rowcast RENAME TO away")
    try:
        with world.connect() as connect:
            connect.post("/connectors/rowcast/restart?includeTasks=true")
        found = becomes(world, "connector", "down", "FAILED")
    finally:
        with world.sql() as cursor:
            cursor.execute("ALTER PUBLICATION away RENAME TO rowcast")
        apply_connector(world)

    assert "autocreation is disabled" in found["message"]
    assert (found["facts"]["state"], found["advice"]) == ("RUNNING", "connector-failed")


def test_a_slot_that_was_dropped_says_which_recovery_applies(world: World) -> None:
    with world.connect() as connect:
        connect.put("/connectors/rowcast/stop")
    try:
        wait_until(lambda: drop_slot(world))
        found = becomes(world, "slot", "down")
        assert measured(world.env["ROWCAST_CRUD_URL"], "rowcast_slot_present") == 0
    finally:
        with world.connect() as connect:
            connect.put("/connectors/rowcast/resume")

    assert (found["advice"], found["page"]) == ("lost-slot", "docs/how-to/recover-from-lost-slot.md")


def test_a_sync_that_is_stopped_is_down_and_the_other_goes_on(platform: Platform, world: World) -> None:
    row = world.create("going-away")
    world.settled()
    with without(platform, "sync-git"):
        with world.api() as api:
            done(api.delete(f"/appconfigs/{row['id']}"))
        wait_until(lambda: "going-away" not in world.cluster())
        assert "sync-git" in becomes(world, "sync-git", "down")["message"]
        assert (pipeline(world)["sync-k8s"]["state"], pipeline(world)["target-k8s"]["state"]) == ("ok", "ok")
        wait_until(lambda: deleting(world) == {"going-away": {"git": "pending", "k8s": "synced"}})
        assert pipeline(world)["rows"]["facts"]["deletions"]["pending"] == 1
    wait_until(lambda: deleting(world) == {})


def test_a_target_that_is_down_shows_what_is_tried_again_and_since_when(platform: Platform, world: World) -> None:
    with without(platform, "kube-apiserver"):
        world.create("waiting-for-the-cluster")
        found = becomes(world, "sync-k8s", "degraded", "1 row tried again")
        assert (found["facts"]["retrying"]["rows"], found["facts"]["retrying"]["since"] is None) == (1, False)
        assert "API server" in becomes(world, "target-k8s", "down")["message"]
        assert pipeline(world)["sync-git"]["state"] == "ok"
        assert measured(world.env["ROWCAST_SYNC_K8S_URL"], 'rowcast_sync_retrying_rows{target="k8s"}') == 1


def test_without_its_database_crud_still_says_so_through_the_sidecar(platform: Platform, world: World) -> None:
    with without(platform, "postgres"):
        found = becomes(world, "database", "down")
        assert {name for name in ("rows", "slot") if pipeline(world)[name]["state"] == "unknown"} == {"rows", "slot"}
    assert "connection" in found["message"]


def deleting(world: World) -> dict[str, dict[str, str]]:
    with world.api() as api:
        items = done(api.get("/appconfigs", params={"state": "deleting"}))["items"]
        return {row["name"]: {target: one["state"] for target, one in row["sync"].items()} for row in items}


def drop_slot(world: World) -> bool:
    with world.sql() as cursor:
        cursor.execute("SELECT pg_drop_replication_slot('rowcast')")
        return True


def test_rights_that_a_declaration_needs_are_named_before_any_row_needs_them(world: World, tmp_path: Path) -> None:
    declaration = tmp_path / "limits.yaml"
    declaration.write_text(LIMITS)
    with world.sql() as cursor:
        cursor.execute("CREATE TABLE limits (id int PRIMARY KEY)")
    world.rowcast("renderer", "apply", str(declaration))
    try:
        lacks = becomes(world, "target-k8s", "degraded", "(limits)")["message"]
        assert "sync-k8s may not get, list, watch, create, patch, delete limitranges (limits)" in lacks
        assert "finds no kind example.com/Widget (limits)" in lacks
        check = ("renderer", "check", str(declaration), "--rights", "--user", "rowcast-sync")
        with pytest.raises(subprocess.CalledProcessError) as checked:
            world.rowcast(*check)
        assert checked.value.stdout.splitlines() == [
            "rowcast-sync may not get, list, watch, create, patch, delete limitranges (limits)",
            "rowcast-sync finds no kind example.com/Widget (limits)",
        ]
        declaration.write_text(LIMITS.replace(", example.com/Widget", ""))
        rights = world.rowcast("renderer", "rights", str(declaration), "--user", "rowcast-sync", "--name", "limits")

        world.apply(rights)
        world.rowcast(*check)
        world.rowcast("renderer", "apply", str(declaration))

        becomes(world, "target-k8s", "ok")
        missing = pipeline(world)["sync-k8s"]["facts"]["rights"]["missing"]
        assert missing == []
    finally:
        with world.sql() as cursor:
            cursor.execute("DROP TABLE limits; DELETE FROM rowcast.sources WHERE renderer = 'limits'")
            cursor.execute("DELETE FROM rowcast.renderers WHERE name = 'limits'")
        world.kubectl("delete", "clusterrole,clusterrolebinding", "limits", "--ignore-not-found")


def apply_connector(world: World) -> None:
    world.rowcast("connector", "apply")
