"""The tenants of examples/ on a running platform: an SQL file that knows nothing of Rowcast, and its declaration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from contract.targets.kubernetes_place import NAMESPACES
from world import World, done, wait_until

EXAMPLE = Path(__file__).parents[1] / "examples" / "tenants"
TABLES = "DROP TABLE IF EXISTS tenant_hosts; DROP TABLE IF EXISTS tenants"


class Tenants:
    """The example's tables on a running platform."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, statement: str) -> None:
        """Run SQL as the tables' owner."""
        with self.world.sql() as cursor:
            cursor.execute(statement)

    def objects(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Those of the renderer, by namespace and name; not what the contract of targets leaves in its own."""
        found = json.loads(
            self.world.kubectl("get", kind, "--all-namespaces", "-l", "rowcast.dev/renderer=tenants", "-o", "json")
        )
        names = ((one["metadata"].get("namespace", ""), one["metadata"]["name"], one) for one in found["items"])
        return {f"{namespace}/{name}": one for namespace, name, one in names if not namespace.startswith(NAMESPACES)}

    def file(self, slug: str) -> list[Mapping[str, Any]] | None:
        """What a clone has of a tenant."""
        with self.world.clone() as folder:
            path = folder / "environments" / "default" / "tenants" / f"{slug}.yaml"
            return list(yaml.safe_load_all(path.read_text())) if path.exists() else None

    def left(self) -> str:
        """What there still is of rows that are deleted, and what the targets have told of them."""
        with self.world.sql() as cursor:
            cursor.execute("SELECT to_jsonb(r) FROM rowcast.rows AS r WHERE renderer = 'tenants'")
            captured = cursor.fetchall()
            cursor.execute("SELECT to_jsonb(s) FROM rowcast.statuses AS s WHERE renderer = 'tenants'")
            return f"{[*self.objects('configmaps')]}, {self.file('acme')}, {captured}, {cursor.fetchall()}"

    def rows(self, **params: str) -> dict[str, Mapping[str, Any]]:
        """Those that the API lists, by their slugs."""
        with self.world.api() as api:
            page = done(api.get("/renderers/tenants/rows", params=params))
        return {row["row"]["slug"]: row for row in page["items"]}

    def generation(self, slug: str) -> int:
        """That of a tenant's row."""
        found: int = self.rows()[slug]["generation"]
        return found

    def synced(self, *slugs: str) -> None:
        """Wait until these rows are at all targets as the table has them."""

        def are_there() -> bool:
            rows = self.rows()
            return all(_is_there(rows[slug]) for slug in slugs)

        wait_until(are_there, lambda: json.dumps(self.rows(), indent=1))


@contextmanager
def applied(world: World) -> Iterator[Tenants]:
    """The tables with their two tenants and the declaration applied; the rows and the tables go in the end."""
    found = Tenants(world)
    found.run(TABLES)
    found.run((EXAMPLE / "tenants.sql").read_text())
    world.declare(EXAMPLE / "tenants.yaml")
    yield found
    found.run("DELETE FROM tenants")
    wait_until(lambda: found.objects("configmaps") == {} and found.file("acme") is None, found.left)
    # A table that is dropped while it is captured, and letters that nobody answers, are trouble on the pipeline's page.
    found.run(f"{TABLES}; DELETE FROM rowcast.sources WHERE renderer = 'tenants'")
    with world.api() as api:
        for letter in done(api.get("/deadletters", params={"renderer": "tenants"}))["items"]:
            done(api.post(f"/deadletters/{letter['id']}:discard", json={"reason": "a test"}))


def _is_there(row: Mapping[str, Any]) -> bool:
    targets = row["targets"].values()
    if row["targets"]["k8s"]["stage"] != "healthy":
        return False
    return all((one["state"], one["observed_generation"]) == ("synced", row["generation"]) for one in targets)
