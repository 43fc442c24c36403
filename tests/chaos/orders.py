"""A table that isn't ours, beside `app_configs`: three objects a row, related rows, keys that are used again."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chaos.places import Cluster, Repository, Table

if TYPE_CHECKING:
    from world import World

REGIONS = ("eu", "us")
NUMBERS = 25
SLUGS = 120
TABLES = """
    CREATE TABLE chaos_orders (
        region text, number int, slug text NOT NULL UNIQUE DEFERRABLE, customer text NOT NULL, amount numeric(40, 10),
        rush boolean NOT NULL DEFAULT false, PRIMARY KEY (region, number));
    CREATE TABLE chaos_lines (id bigserial PRIMARY KEY, region text, number int, item text NOT NULL);
    CREATE INDEX ON chaos_lines (region, number);
"""
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: orders}
spec:
  source:
    table: public.chaos_orders
    key: [region, number]
    with:
      lines: {table: public.chaos_lines, on: {region: region, number: number}, columns: [id, item]}
  name: ${row.slug}
  environment: ${row.region}
  allow: {kinds: [ServiceAccount, ConfigMap], namespaces: [rowcast]}
  manifests:
    - id: account
      template:
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: "account-${row.slug}", namespace: rowcast, annotations: {customer: "${row.customer}"}}
    - id: data
      after: [account]
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "data-${row.slug}", namespace: rowcast}
        data:
          customer: ${row.customer}
          amount: "${row.amount == null ? 'none' : row.amount}"
          lines: "${row.lines.map(l, l.item).join(' ')}"
    - id: rush
      after: [data]
      when: row.rush
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "rush-${row.slug}", namespace: rowcast}
        data: {customer: "${row.customer}"}
"""
SECOND = DECLARATION.replace(
    "          customer: ${row.customer}\n", "          customer: ${row.customer}\n          note: second\n"
)
NOTES = {1: None, 2: "second"}
"""What rows of a revision say beside their own."""
ROWS = "SELECT region, number, slug FROM chaos_orders ORDER BY region, number"
STATE = """
    SELECT slug, r.generation, r.revision, region, customer, coalesce(amount::text, 'none'), rush,
           coalesce((SELECT array_agg(item ORDER BY item) FROM chaos_lines l
                     WHERE (l.region, l.number) = (o.region, o.number)), '{}')
    FROM chaos_orders o LEFT JOIN rowcast.rows r
      ON r.renderer = 'orders' AND NOT r.deleted AND r.key = jsonb_build_array(region, number::text)::text
"""
STATUSES = """
    SELECT r.key, r.generation, t.target, s.observed_generation, s.outcome, s.error
    FROM rowcast.rows r CROSS JOIN (VALUES ('k8s'), ('git')) AS t (target)
    LEFT JOIN rowcast.statuses s ON (s.renderer, s.key, s.target) = (r.renderer, r.key, t.target)
    WHERE r.renderer = 'orders' AND NOT r.deleted
      AND (s.observed_generation IS DISTINCT FROM r.generation OR s.error IS NOT NULL OR s.deleted)
"""
DELETED = """
    SELECT key, extract(epoch FROM changed_at)::float FROM rowcast.rows WHERE renderer = 'orders' AND deleted
"""
SELECTED = "?labelSelector=rowcast.dev%2Frenderer%3Dorders"
ACCOUNTS = f"/api/v1/namespaces/rowcast/serviceaccounts{SELECTED}"
CONFIG_MAPS = f"/api/v1/namespaces/rowcast/configmaps{SELECTED}"
INSERT = """
    INSERT INTO chaos_orders (region, number, slug, customer, amount, rush) VALUES (%s, %s, %s, %s, %s, %s)
"""
UPDATE = "UPDATE chaos_orders SET"
SWAP = """
    UPDATE chaos_orders AS one SET slug = other.slug FROM chaos_orders AS other
    WHERE (one.slug, other.slug) IN ((%s, %s), (%s, %s))
"""
AT = "WHERE (region, number) = (%s, %s)"
Statements = Sequence[tuple[str, tuple[object, ...]]]
Order = tuple[str, int, str]
Objects = dict[str, tuple[object, ...]]
"""By kind and name: generation, and what it says."""


def begin(world: World, table: Table) -> None:
    """Make the tables, the rights, the renderer, and another revision of it, by which no row goes on yet."""
    table.do(TABLES)
    world.declare(DECLARATION)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.yaml"
        file.write_text(SECOND)
        world.rowcast("renderer", "apply", "--no-assign", str(file))


class OrderFiles(Repository):
    """The renderer's files, each with all objects of a row."""

    def is_here(self, path: str) -> bool:
        """Whether a file is in a folder of the renderer."""
        return "/orders/" in path

    def content(self, blob: bytes) -> Any:
        """The documents, in their order."""
        try:
            return [one for one in yaml.load_all(blob, yaml.CSafeLoader) if isinstance(one, dict)]
        except (yaml.YAMLError, UnicodeDecodeError):
            return None

    def objects(self) -> tuple[Objects, dict[str, str]]:
        """What all files say, and of each row's slug its region by the file's path. Raises CalledProcessError."""
        files = dict(self.files())
        parsed = self.parse(files.values())
        found: Objects = {}
        regions: dict[str, str] = {}
        for path, blob in files.items():
            _, region, _, name = path.split("/")
            regions[name.removesuffix(".yaml")] = region
            for document in parsed[blob]:
                found |= _object(document)
        return found, regions


def differences(table: Table, cluster: Cluster, files: OrderFiles) -> list[str]:
    """What the places have otherwise than the table, or is not told. Raises what reading them does."""
    wanted, regions = _wanted(table)
    listed = [
        {**item, "kind": kind}
        for kind, path in (("ServiceAccount", ACCOUNTS), ("ConfigMap", CONFIG_MAPS))
        for item in cluster.list(path)["items"]
    ]
    there: Objects = {}
    for item in listed:
        there |= _object(item)
    written, places = files.objects()
    unlike = [
        f"{name}: table {wanted.get(name)}, {place} {found.get(name)}"
        for place, found in (("cluster", there), ("git", written))
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]
    if unlike:
        return unlike
    if regions != places:
        return [f"files of {sorted(set(regions.items()) ^ set(places.items()))} are elsewhere"]
    return [
        f"orders/{key}@{generation}: its status at {target} is {rest}"
        for key, generation, target, *rest in table.ask(STATUSES)
    ]


def deleted_at(table: Table) -> dict[str, float]:
    """When each row that is gone was deleted, for each of its objects that the witnesses watch."""
    found = {str(key): float(at) for key, at in table.ask(DELETED)}
    return {f"{key} {part}": at for key, at in found.items() for part in ("account", "data", "rush")}


def marked(metadata: Mapping[str, Any]) -> tuple[str, int] | None:
    """Which object of which row, and the generation: as marks of the renderer's rows say it."""
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    key = annotations.get("rowcast.dev/key") or labels.get("rowcast.dev/key")
    generation = annotations.get("rowcast.dev/generation", "")
    if labels.get("rowcast.dev/renderer") != "orders" or not key or not generation.isdigit():
        return None
    return f"{key} {metadata['name'].partition('-')[0]}", int(generation)


def _wanted(table: Table) -> tuple[Objects, dict[str, str]]:
    wanted: Objects = {}
    regions: dict[str, str] = {}
    for slug, generation, revision, region, customer, amount, rush, lines in table.ask(STATE):
        regions[slug] = region
        wanted[f"ServiceAccount account-{slug}"] = (generation, customer)
        wanted[f"ConfigMap data-{slug}"] = (generation, customer, amount, tuple(lines), NOTES.get(revision))
        if rush:
            wanted[f"ConfigMap rush-{slug}"] = (generation, customer)
    return wanted, regions


def _object(item: Mapping[str, Any]) -> Objects:
    metadata, data = item["metadata"], item.get("data") or {}
    kind, name = item["kind"], metadata["name"]
    generation = int(metadata["annotations"]["rowcast.dev/generation"])
    if kind == "ServiceAccount":
        return {f"{kind} {name}": (generation, metadata["annotations"]["customer"])}
    if name.startswith("rush-"):
        return {f"{kind} {name}": (generation, data["customer"])}
    lines = tuple(sorted(data["lines"].split()))
    return {f"{kind} {name}": (generation, data["customer"], data["amount"], lines, data.get("note"))}


class Orders:
    """Kinds of changes, for the load."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def new(self, orders: Sequence[Order]) -> Statements:
        """A new row, with some related ones; none where every key is taken."""
        taken = {(region, number) for region, number, _ in orders}
        free = [(region, n) for region in REGIONS for n in range(NUMBERS) if (region, n) not in taken]
        return self._insert(self._chance.choice(free), self._slug(orders)) if free else []

    def change(self, orders: Sequence[Order]) -> Statements:
        """One transaction, of any kind."""
        region, number, slug = self._chance.choice(orders)
        other_region, other_number, other_slug = self._chance.choice(orders)
        key, other = (region, number), (other_region, other_number)
        word = self._word()
        kinds: Mapping[Callable[[], Statements], int] = {
            lambda: self.new(orders): 4,
            lambda: [(f"{UPDATE} customer = %s, amount = %s {AT}", (word, self._amount(), *key))]: 6,
            lambda: [(f"{UPDATE} rush = NOT rush {AT}", key)]: 3,
            lambda: [(f"{UPDATE} slug = %s {AT}", (self._slug(orders), *key))]: 3,
            lambda: [(SWAP, (slug, other_slug, other_slug, slug))]: 2,
            lambda: [(f"DELETE FROM chaos_orders {AT}", key)]: 3,
            # Its related rows outlive it, and are the next one's of that key.
            lambda: [(f"DELETE FROM chaos_orders {AT}", key), *self._insert(key, self._slug(orders))]: 2,
            lambda: [self._line(key)]: 4,
            lambda: [(f"UPDATE chaos_lines SET region = %s, number = %s {AT}", (*other, *key))]: 2,
            lambda: [(f"DELETE FROM chaos_lines {AT}", key)]: 1,
            lambda: [(f"{UPDATE} customer = %s WHERE region = %s", (word, region))]: 1,
        }
        (kind,) = self._chance.choices(list(kinds), list(kinds.values()))
        return kind()

    def rollout(self, newest: Mapping[str, Any] | None) -> tuple[str, Any]:
        """What to ask for below the renderer's roll-outs: another one, or that the newest is told something."""
        if newest is None or newest["state"] in ("done", "aborted", "rolled-back"):
            steps = [{"rows": 2}, {"filter": "row.rush || environment == 'eu'"}, {"share": 60.0}]
            return "", {"revision": self._chance.choice([*NOTES]), "steps": steps, "failure_limit": 1_000_000}
        kinds = {"pause": 2, "resume": 4, "abort": 1, "rollback": 1}
        (verb,) = self._chance.choices(list(kinds), list(kinds.values()))
        return f"/{newest['id']}:{verb}", None

    def _insert(self, key: tuple[str, int], slug: str) -> Statements:
        values = (*key, slug, self._word(), self._amount(), self._chance.random() < 0.5)
        return [(INSERT, values), *(self._line(key) for _ in range(self._chance.randrange(3)))]

    def _line(self, key: tuple[str, int]) -> tuple[str, tuple[object, ...]]:
        return "INSERT INTO chaos_lines (region, number, item) VALUES (%s, %s, %s)", (*key, self._word())

    def _slug(self, orders: Sequence[Order]) -> str:
        taken = {slug for _, _, slug in orders}
        return self._chance.choice([name for n in range(SLUGS) if (name := f"order-{n:03}") not in taken])

    def _word(self) -> str:
        return f"word-{self._chance.randrange(10**9)}"

    def _amount(self) -> str | None:
        if self._chance.random() < 0.1:
            return None
        return f"{self._chance.randrange(10**30)}.{self._chance.randrange(10**10):010}"
