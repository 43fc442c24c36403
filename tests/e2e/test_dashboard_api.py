"""What the dashboard asks of crud, by way of its own sidecar: crud asks the targets by way of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rows.calls import row_path
from world import World, done, wait_until

KEYS = ("a/b", "a%2Fb", "c#%?", "x/y//z", "..", "../up", "tail/", "q?x=1&y", "ü x", "plain")
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: keyed}
spec:
  source: {table: public.keyed, key: [id], where: row.size > 1}
  name: ${row.id}
  allow: {kinds: [ConfigMap]}
  manifests:
    - id: settings
      template: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}
"""


def test_a_change_is_previewed_by_each_target_itself_and_made_by_none(world: World) -> None:
    row = world.create("previewed")
    world.settled()
    config = {name: row[name] for name in ("name", "repository_url", "environment")} | {"branch": "next"}

    with world.api() as api:
        preview = done(api.post("/appconfigs:preview", json={"id": row["id"], "config": config}))
        live = done(api.get(f"/appconfigs/{row['id']}/live"))

    assert preview["generation"] == row["generation"] + 1
    assert [one["target"] for one in preview["targets"]] == ["k8s", "git"]
    for one in preview["targets"]:
        assert (one["change"], one["error"], one["unavailable"]) == ("update", None, None)
        assert "+  branch: next" in one["diff"]
    for one in live["targets"]:
        assert yaml.safe_load(one["live"])["spec"]["branch"] == row["branch"]
        assert one["reference"]


def test_a_dry_run_of_a_reconcile_is_started_and_followed(world: World) -> None:
    world.settled()

    def last(target: str) -> Any:
        with world.api() as api:
            (found,) = (one for one in done(api.get("/reconciles"))["targets"] if one["target"] == target)
        return found["last"]

    for target in ("k8s", "git"):
        with world.api() as api:
            started = api.post(f"/reconciles/{target}", json={"dry_run": True})
        assert started.status_code == 202, started.text
        begun = started.json()["started_at"]
        wait_until(lambda target=target, begun=begun: (last(target) or {}).get("started_at") == begun)  # type: ignore[misc]
        assert (last(target)["dry_run"], last(target)["state"]) == (True, "done")


def test_what_happened_is_told_with_what_became_of_it(world: World) -> None:
    row = world.create("happened")
    world.settled()

    def told() -> dict[str, Any]:
        with world.api() as api:
            (entry,) = done(api.get("/activity", params={"row_id": row["id"]}))["items"]
        return dict(entry)

    wait_until(lambda: told()["outcomes"] == {"k8s": "synced", "git": "synced"}, lambda: str(told()))
    assert (told()["change"], told()["name"]) == ("created", "happened")


def test_a_row_of_any_table_is_asked_for_whatever_its_key_is(world: World, tmp_path: Path) -> None:
    declaration = tmp_path / "keyed.yaml"
    declaration.write_text(DECLARATION)
    with world.sql() as cursor:
        cursor.execute("CREATE TABLE keyed (id text PRIMARY KEY, size int NOT NULL DEFAULT 1)")
        cursor.execute("INSERT INTO keyed SELECT unnest(%s)", ([*KEYS],))
    try:
        world.rowcast("renderer", "apply", str(declaration))
        with world.api() as api:
            found = {key: done(api.get(row_path("keyed", key)))["key"] for key in KEYS}
        assert found == {key: key for key in KEYS}
    finally:
        with world.sql() as cursor:
            cursor.execute("DELETE FROM keyed; DROP TABLE keyed; DELETE FROM rowcast.sources WHERE renderer = 'keyed'")
