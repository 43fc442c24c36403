"""Rows of a table that isn't ours, with three objects each: the writer's cost, rendering, latency and a backlog."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

from bench import bare
from bench.watching import Watcher, cluster_watch
from bench.way import TARGETS, Arrivals, Cursor, Latency, Way
from rowcast.core.shapes import Column, RowShape
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.rendering import render
from rowcast_local.platform import Platform
from world import World

NAMESPACE = "bench-rows"
TABLES = "CREATE TABLE bench_rows (id int PRIMARY KEY, name text NOT NULL, value text NOT NULL)"
PLAIN = "CREATE TABLE bench_plain (id int PRIMARY KEY, name text NOT NULL, value text NOT NULL)"
DECLARATION = f"""
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {{name: bench}}
spec:
  source: {{table: public.bench_rows, key: [id]}}
  name: ${{row.name}}
  allow: {{kinds: [ServiceAccount, ConfigMap], namespaces: [{NAMESPACE}]}}
  manifests:
    - id: account
      template:
        apiVersion: v1
        kind: ServiceAccount
        metadata:
          name: ${{row.name}}
          namespace: {NAMESPACE}
          annotations: {{example.com/value: "${{row.value}}"}}
    - id: settings
      after: [account]
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: "${{row.name}}", namespace: {NAMESPACE}}}
        data:
          value: ${{row.value}}
          url: https://${{row.name}}.example.com/${{row.value}}
          id: ${{string(row.id)}}
    - id: last
      after: [settings]
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: "last-${{row.name}}", namespace: {NAMESPACE}}}
        data: {{value: "${{row.value}}", short: "${{row.value.size() > 3 ? row.value.substring(0, 3) : row.value}}"}}
"""
SHAPE = RowShape({name: Column(name, kind) for name, kind in (("id", "int"), ("name", "string"), ("value", "string"))})
SELECTED = f"/api/v1/namespaces/{NAMESPACE}/configmaps?labelSelector=rowcast.dev%2Frenderer%3Dbench"
GENERATION = "SELECT generation FROM rowcast.rows WHERE renderer = 'bench' AND key = %s"
GENERATIONS = "SELECT key::int, generation FROM rowcast.rows WHERE renderer = 'bench' AND key = ANY(%s::int[]::text[])"


class RowsWay(Way):
    """The same measurements with rows of another table; a row is there when its last object is."""

    def begin(self) -> None:
        """Make the table and the renderer."""
        world = World(self._env)
        world.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}")
        with self._database() as cursor:
            cursor.execute(TABLES)
            cursor.execute(PLAIN)
        world.declare(DECLARATION)

    def writer(self, rows: int, rounds: int) -> Iterator[tuple[str, list[float], list[float]]]:
        """What an update costs who writes: its name, and milliseconds without and with triggers, in turns."""
        tables = {"bench_plain": 0, "bench_rows": 10_000_000}
        for target in TARGETS:
            self._platform.stop_part(f"sync-{target}")
        with self._database() as cursor:
            for table, first in tables.items():
                made = f"INSERT INTO {table} SELECT n + {first}, 'writer-' || n, 'x' FROM generate_series(1, %s) AS n"
                cursor.execute(made, (rows,))
            single: dict[str, list[float]] = {table: [] for table in tables}
            many: dict[str, list[float]] = {table: [] for table in tables}
            for number in range(rounds * 100):
                for table, first in tables.items():
                    change = f"UPDATE {table} SET value = %s WHERE id = %s"
                    single[table].append(_timed(cursor, change, (f"s{number}", first + 1 + number % rows)))
            for number in range(rounds):
                for table in tables:
                    many[table].append(_timed(cursor, f"UPDATE {table} SET value = %s", (f"m{number}",)))
            cursor.execute(f"DELETE FROM bench_rows WHERE id > {tables['bench_rows']}")
            self._captured(cursor)
        for target in TARGETS:
            self._platform.start_part(f"sync-{target}")
        self._platform.wait_ready()
        yield "one row", single["bench_plain"], single["bench_rows"]
        yield f"{rows:,} rows", many["bench_plain"], many["bench_rows"]

    def drains(self, rows: int, rounds: int) -> list[tuple[str, list[Arrivals], list[float]]]:
        """How every row's change arrives after both syncs were down, and the bare limit of each round, in rows/s."""
        bare_namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}-bare}}"
        World(self._env).apply(bare_namespace)
        bare.applies(self._cluster, f"{NAMESPACE}-bare", rows, 1, objects)
        found: dict[str, list[Arrivals]] = {target: [] for target in TARGETS}
        limits: list[float] = []
        ids = self._rows("backlog", rows)
        for number in range(rounds):
            text = f"g{number}"
            wanted = self._held_back(lambda cursor, text=text: self._change_all(cursor, ids, text))  # type: ignore[misc]
            for target, arrived in self._drained(wanted, 600):
                found[target].append(arrived)
                if target == "k8s":
                    with cluster_watch(self._cluster, SELECTED.replace(NAMESPACE, f"{NAMESPACE}-bare"), _of_last):
                        limits.append(bare.applies(self._cluster, f"{NAMESPACE}-bare", rows, number + 2, objects))
        return [(target, found[target], limits if target == "k8s" else []) for target in TARGETS]

    def _change_one(self, cursor: Cursor, row: int, text: str) -> int:
        cursor.execute("UPDATE bench_rows SET value = %s WHERE id = %s", (text, row))
        cursor.execute(GENERATION, (str(row),))
        (generation,) = cursor.fetchone() or (0,)
        return int(generation)

    def _change_all(self, cursor: Cursor, ids: Sequence[int], text: str) -> Iterable[tuple[int, int]]:
        cursor.execute("UPDATE bench_rows SET value = %s WHERE id = ANY(%s)", (text, list(ids)))
        cursor.execute(GENERATIONS, (list(ids),))
        return cursor.fetchall()

    def _insert(self, cursor: Cursor, prefix: str, count: int) -> Iterable[tuple[int, int]]:
        cursor.execute("SELECT coalesce(max(id), 0) FROM bench_rows")
        (last,) = cursor.fetchone() or (0,)
        made = "INSERT INTO bench_rows SELECT n + %s, %s || '-' || n, 'x' FROM generate_series(1, %s) AS n"
        cursor.execute(made, (last, prefix, count))
        cursor.execute(GENERATIONS, (list(range(last + 1, last + count + 1)),))
        return cursor.fetchall()

    def _there(self, cursor: Cursor, prefix: str) -> list[int]:
        cursor.execute("SELECT id FROM bench_rows WHERE name LIKE %s ORDER BY id", (f"{prefix}-%",))
        return [int(row) for (row,) in cursor.fetchall()]

    def _watching_cluster(self) -> AbstractContextManager[Watcher]:
        return cluster_watch(self._cluster, SELECTED, _of_last)


def _of_last(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    if not metadata["name"].startswith("last-"):
        return None
    return int(metadata["labels"]["rowcast.dev/key"]), int(metadata["annotations"]["rowcast.dev/generation"])


def objects(namespace: str, row: int, generation: int) -> list[bare.Object]:
    """What the declaration makes of a row, with marks like ours."""
    labels = {"app.kubernetes.io/managed-by": "bench", "rowcast.dev/renderer": "bench", "rowcast.dev/key": str(row)}
    annotations = {"rowcast.dev/generation": str(generation), "rowcast.dev/lsn": str(generation * 1000 + row)}
    value, name = f"g{generation}", f"bare-{row}"

    def one(kind: str, name: str, **content: object) -> bare.Object:
        metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
        path = f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}"
        return path, {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}

    data = {"value": value, "url": f"https://{name}.example.com/{value}", "id": str(row)}
    return [
        one("ServiceAccount", name),
        one("ConfigMap", name, data=data),
        one("ConfigMap", f"last-{name}", data={"value": value, "short": value[:3]}),
    ]


def renders(rows: int, rounds: int) -> list[float]:
    """Rows per second of a processor that one thread renders, three manifests each; whoever else is there."""
    renderer = read_renderer(DECLARATION, SHAPE)
    language = Language(SHAPE)
    table = [{"id": number, "name": f"service-{number}", "value": f"v{number}"} for number in range(rows)]
    rates = []
    for _ in range(rounds):
        started = time.process_time()
        for row in table:
            render(renderer, language, row)
        rates.append(rows / (time.process_time() - started))
    return rates


def _timed(cursor: Cursor, statement: str, values: Sequence[object]) -> float:
    started = time.perf_counter()
    cursor.execute(statement, values)
    return (time.perf_counter() - started) * 1000


def measure(
    platform: Platform, rows: int, rounds: int, changes: int, per_second: float, say: Callable[[str], None]
) -> list[Latency]:
    """All of it, told as it goes; gives the latencies."""
    say(f"rendering alone, one thread, rows/s of three manifests: {_spread(renders(rows, rounds))}")
    way = RowsWay(platform)
    way.begin()
    for name, without, with_triggers in way.writer(rows, rounds):
        ratio = median(with_triggers) / median(without)
        say(f"writing {name}, ms: {_spread(without, 2)}, with triggers {_spread(with_triggers, 2)}, {ratio:.1f} x")
    latencies = way.latency(changes, per_second)
    for target, arrivals, limits in way.drains(rows, rounds):
        lost = sum(one.missing for one in arrivals)
        rates = [one.rate for one in arrivals]
        of_it = [f"{rate / limit:.0%}" for rate, limit in zip(rates, limits, strict=False)]
        beside = f"; bare limit {_spread(limits)}, of it {', '.join(of_it)}" if limits else ""
        say(f"backlog of {rows:,} rows, three objects each, {target}, rows/s: {_spread(rates)}, {lost} lost{beside}")
    return latencies


def _spread(values: Sequence[float], digits: int = 0) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
