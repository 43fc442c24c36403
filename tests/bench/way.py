"""The whole way: latency at a steady rate, and the draining of a backlog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from statistics import quantiles

import psutil
import psycopg2
import psycopg2.extensions

from bench import bare
from bench.processor import spent
from bench.watching import RESOURCE, Cluster, Watcher, cluster_watch, git_watch
from rowcast_local.platform import Platform

Cursor = psycopg2.extensions.cursor
TARGETS = ("k8s", "git")
INSERT = """
    INSERT INTO app_configs (name, repository_url, branch, environment)
    SELECT %s || '-' || n, 'https://git.example.com/shop/bench.git', 'main', 'env-' || n %% 5
    FROM generate_series(1, %s) AS n RETURNING id, generation
"""
PATIENCE = 300
"""Seconds after which a bench gives up on what has not arrived."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds from COMMIT being sent to the change being visible at one target."""

    target: str
    samples: int
    lost: int
    p50: float
    p95: float
    p99: float
    worst: float


@dataclass(frozen=True)
class Drain:
    """Rows per second at which one round's backlog drained, and the bare limit beside it."""

    target: str
    rows: int
    rate: float
    limit: float
    memory: float
    """Megabytes that the sync process holds resident afterwards."""
    processor: Mapping[str, float]
    """As of `Arrivals`."""


@dataclass(frozen=True)
class Arrivals:
    """What of a backlog has arrived at one target, when (seconds since the epoch, in order); `missing` has not.

    `processor` is what a row has taken of one core, in ms, by part: from the first row's arrival to the last one's.
    """

    times: list[float]
    missing: int
    processor: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many rows have arrived."""
        return len(self.times)

    @property
    def rate(self) -> float:
        """Rows per second. What arrived at the first instant started before the clock did."""
        counted = sum(1 for moment in self.times if moment > self.times[0])
        return counted / (self.times[-1] - self.times[0]) if counted else float("nan")


class Way:
    """Measures on one running platform, which nobody else uses meanwhile."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._env: Mapping[str, str] = platform.env()
        self._cluster = Cluster.of(self._env["KUBECONFIG"])

    def latency(self, changes: int, per_second: float) -> list[Latency]:
        """Update one row after the other at a steady rate and time each at both targets."""
        ids = self._rows("latency", 50)
        sent: dict[tuple[int, int], float] = {}
        with self._watching() as (cluster, git), self._database() as cursor:
            started = time.perf_counter()
            for number in range(changes):
                time.sleep(max(0.0, started + number / per_second - time.perf_counter()))
                row = ids[number % len(ids)]
                cursor.execute("BEGIN")
                generation = self._change_one(cursor, row, f"b{number}")
                sent[row, generation] = time.time()
                cursor.execute("COMMIT")
            for watcher in (cluster, git):
                _wait(watcher, set(sent))
            return [_latency(name, sent, watcher) for name, watcher in (("k8s", cluster), ("git", git))]

    def backlog(self, rows: int, generation: int) -> list[Drain]:
        """Change every row while both syncs are down, then let first one drain it and then the other."""
        ids = self._rows("backlog", rows)
        wanted = self._held_back(lambda cursor: self._change_all(cursor, ids, f"g{generation}"))
        drains = []
        for target, arrived in self._drained(wanted, PATIENCE):
            if arrived.missing:
                raise TimeoutError(f"{arrived.missing} of {rows} have not arrived at {target}")
            limit = self._limit(target, rows, generation, arrived.times)
            drains.append(Drain(target, rows, arrived.rate, limit, self._memory(target), arrived.processor))
        return drains

    def new_rows(self, rows: int, seconds: float) -> list[tuple[str, Arrivals]]:
        """Create rows while both syncs are down, and give first one and then the other so many seconds for them."""
        return list(self._drained(self._held_back(lambda cursor: self._insert(cursor, "new", rows)), seconds))

    def _change_one(self, cursor: Cursor, row: int, text: str) -> int:
        """Its new generation."""
        cursor.execute("UPDATE app_configs SET branch = %s WHERE id = %s RETURNING generation", (text, row))
        (generation,) = cursor.fetchone() or (0,)
        return int(generation)

    def _change_all(self, cursor: Cursor, ids: Sequence[int], text: str) -> Iterable[tuple[int, int]]:
        """Rows and their new generations."""
        change = "UPDATE app_configs SET branch = %s WHERE id = ANY(%s) RETURNING id, generation"
        cursor.execute(change, (text, list(ids)))
        return cursor.fetchall()

    def _insert(self, cursor: Cursor, prefix: str, count: int) -> Iterable[tuple[int, int]]:
        """New rows and their generations."""
        cursor.execute(INSERT, (prefix, count))
        return cursor.fetchall()

    def _there(self, cursor: Cursor, prefix: str) -> list[int]:
        """The ids of rows that were inserted before."""
        cursor.execute("SELECT id FROM app_configs WHERE name LIKE %s ORDER BY id", (f"{prefix}-%",))
        return [int(row) for (row,) in cursor.fetchall()]

    def _held_back(self, change: Callable[[Cursor], Iterable[tuple[int, int]]]) -> set[tuple[int, int]]:
        """Run a change of many rows while both syncs are down; the rows and generations that wait for them."""
        for target in TARGETS:
            self._platform.stop_part(f"sync-{target}")
        with self._database() as cursor:
            wanted = {(int(row), int(generation)) for row, generation in change(cursor)}
            self._captured(cursor)
        return wanted

    def _drained(self, wanted: set[tuple[int, int]], seconds: float) -> Iterator[tuple[str, Arrivals]]:
        for target in TARGETS:
            with self._watching() as watchers:
                watcher = watchers[TARGETS.index(target)]
                self._platform.start_part(f"sync-{target}")
                await_any(watcher, wanted, seconds)
                before, already = spent(self._platform), watcher.count(wanted)
                missing = await_all(watcher, wanted, seconds)
                after, counted = spent(self._platform), watcher.count(wanted) - already
                times = sorted(watcher.seen[key] for key in wanted & watcher.seen.keys())
            taken = {part: (after[part] - before.get(part, 0.0)) * 1000 / max(counted, 1) for part in after}
            yield target, Arrivals(times, missing, taken)

    def prepare_limits(self, rows: int) -> None:
        """Create the objects that the bare applies then change, as the backlog's rows exist before they change."""
        asyncio.run(bare.create_namespace(self._cluster, "bench"))
        bare.applies(self._cluster, "bench", rows, generation=1)

    def _limit(self, target: str, rows: int, generation: int, times: list[float]) -> float:
        if target == "k8s":
            with cluster_watch(
                self._cluster, RESOURCE.format(namespace="bench")
            ):  # the platform's namespace is watched, too
                return bare.applies(self._cluster, "bench", rows, generation + 1)
        trees = _trees(rows, generation, commits=len(set(times)))
        return bare.fast_import(trees)

    def _rows(self, prefix: str, count: int) -> list[int]:
        """The ids of `count` rows, which are created and delivered first where they don't exist yet."""
        with self._database() as cursor:
            if ids := self._there(cursor, prefix):
                return ids
            with self._watching() as watchers:
                ids = [int(row) for row, _ in self._insert(cursor, prefix, count)]
                for watcher in watchers:
                    _wait(watcher, {(row, 1) for row in ids})
        return ids

    def _captured(self, cursor: psycopg2.extensions.cursor) -> None:
        """Wait until capture has confirmed to the database that the broker holds everything."""
        cursor.execute("SELECT pg_current_wal_lsn()")
        (position,) = cursor.fetchone() or (None,)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = 'rowcast'", (position,)
            )
            if (cursor.fetchone() or (False,))[0]:
                return
            time.sleep(0.2)
        raise TimeoutError("the backlog has not been captured")

    def _memory(self, target: str) -> float:
        process = psutil.Process(self._platform.supervisor.states()[f"sync-{target}"].pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 1e6

    @contextmanager
    def _watching(self) -> Iterator[tuple[Watcher, Watcher]]:
        with (
            self._watching_cluster() as cluster,
            git_watch(self._env["ROWCAST_GIT_URL"]) as git,
        ):
            yield cluster, git

    def _watching_cluster(self) -> AbstractContextManager[Watcher]:
        return cluster_watch(self._cluster, RESOURCE.format(namespace=self._env["ROWCAST_NAMESPACE"]))

    def _database(self) -> _Database:
        return _Database(self._env["ROWCAST_DATABASE_URL"])


class _Database:
    """An autocommitting cursor, for as long as the context lasts."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def __enter__(self) -> psycopg2.extensions.cursor:
        return self._connection.cursor()

    def __exit__(self, *error: object) -> None:
        self._connection.close()


def _wait(watcher: Watcher, wanted: set[tuple[int, int]]) -> None:
    if missing := await_all(watcher, wanted, PATIENCE):
        raise TimeoutError(f"{missing} of {len(wanted)} have not arrived")


def await_all(watcher: Watcher, wanted: set[tuple[int, int]], seconds: float) -> int:
    """Return when all have arrived, or the time is over: how many have not."""
    deadline = time.monotonic() + seconds
    while missing := len(wanted) - watcher.count(wanted):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return missing


def await_any(watcher: Watcher, wanted: set[tuple[int, int]], seconds: float) -> None:
    """Return when the first has arrived, or the time is over."""
    deadline = time.monotonic() + seconds
    while not watcher.count(wanted) and time.monotonic() < deadline:
        time.sleep(0.02)


def _latency(target: str, sent: Mapping[tuple[int, int], float], watcher: Watcher) -> Latency:
    took = sorted((watcher.seen[key] - moment) * 1000 for key, moment in sent.items() if key in watcher.seen)
    cut = quantiles(took, n=100, method="inclusive")
    return Latency(target, len(took), len(sent) - len(took), cut[49], cut[94], cut[98], took[-1])


def _trees(rows: int, generation: int, commits: int) -> list[list[tuple[str, bytes]]]:
    from rowcast.sync.targets.git.files.yaml import to_yaml

    files = [
        (
            f"environments/env-{row % 5}/appconfigs/bench-{row}.yaml",
            to_yaml(bare.manifest(row, generation, f"bench-{row}")),
        )
        for row in range(1, rows + 1)
    ]
    size = -(-rows // commits)
    return [files[start : start + size] for start in range(0, rows, size)]
