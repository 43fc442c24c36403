"""Promotion on the real way: what one person asks for and another approves is what runs, and the history says so."""

from __future__ import annotations

import json
from typing import Any

from world import World, done, wait_until

DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: releases}
spec:
  source: {table: public.releases, key: [id], edit: true}
  name: ${row.app}-${row.stage}
  allow: {kinds: [ConfigMap], namespaces: [rowcast]}
  promotion:
    match: [app]
    along: stage
    order: [dev, prod]
    fields: [version]
    gates: {healthy: 1s, approval: true}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "release-${row.app}-${row.stage}", namespace: rowcast}
        data: {version: "${row.version}"}
"""
TABLE = """
DROP TABLE IF EXISTS releases;
CREATE TABLE releases (id int PRIMARY KEY, app text NOT NULL, stage text NOT NULL, version text NOT NULL);
INSERT INTO releases VALUES (1, 'shop', 'dev', 'v2'), (2, 'shop', 'prod', 'v1');
"""


def promote(world: World, *arguments: str, code: int = 0) -> Any:
    found = world.rowcast("promote", "releases", *arguments, "-o", "json", code=code)
    return json.loads(found) if found else None


def versions(world: World) -> dict[str, str]:
    listed = world.kubectl("get", "configmaps", "-l", "rowcast.dev/renderer=releases", "-o", "json")
    return {one["metadata"]["name"]: one["data"]["version"] for one in json.loads(listed)["items"]}


def test_what_is_promoted_and_approved_by_somebody_else_is_what_runs(world: World) -> None:
    with world.sql() as cursor:
        cursor.execute(TABLE)
    world.declare(DECLARATION)
    try:
        wait_until(lambda: versions(world) == {"release-shop-dev": "v2", "release-shop-prod": "v1"})
        # The gate is open once the targets have told of it, a second ago.
        wait_until(lambda: promote(world, "2", "--dry-run", "--as", "ada", code=3) is not None)
        promote(world, "2", "--as", "ada")
        (request,) = promote(world, "--requests")
        assert versions(world)["release-shop-prod"] == "v1"

        number = str(request["id"])
        world.rowcast("promote", "releases", "--approve", number, "--as", "ada", code=1)
        promote(world, "--approve", number, "--as", "bob")

        wait_until(lambda: versions(world) == {"release-shop-dev": "v2", "release-shop-prod": "v2"})
        with world.api() as api:
            latest = done(api.get("/renderers/releases/history", params={"key": "2"}))["items"][0]
        assert (latest["row"]["version"], latest["actor"]) == ("v2", "ada")
        assert latest["promotion"]["from_key"] == "1"
        assert latest["promotion"]["decided_by"] == "bob"
    finally:
        with world.sql() as cursor:
            cursor.execute("DELETE FROM releases")
        wait_until(lambda: versions(world) == {})
        with world.sql() as cursor:
            cursor.execute("DROP TABLE releases; DELETE FROM rowcast.sources WHERE renderer = 'releases'")
