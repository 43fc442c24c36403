"""A backlog that several instances of sync-k8s drain together, beside the bare limit of as many applies."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import memory, tables
from bench.outcomes import outcomes
from bench.topic import topic_of
from bench.way import PATIENCE, Arrivals, Way, await_all
from instances import Instance, start_application
from rowcast_local.platform import Platform
from rowcast_local.probes import answers
from world import wait_until

SYNC = "sync-k8s"
SLOWEST = 20
"""Rows per second below which a bench gives up."""
COUNTED_SECONDS = 20
DELIVERED, AGAIN = ("created", "configured"), ("unchanged", "stale")
COLUMNS = (
    *("instances", "rows/s, first row to last", "of the bare limit", "rows/s, start to last row"),
    *("start to first row, s", "bare limit, rows/s", "memory of each, MiB (PSS)"),
    *("rows of each, last round", "events once more, all rounds"),
)


@dataclass(frozen=True)
class Round:
    """One backlog, drained by some instances. Rates in rows/s, times in s; `bytes` and `rows` have one of each."""

    instances: int
    arrived: Arrivals
    started: float
    """When their sidecars were started, in seconds since the epoch."""
    limit: float
    bytes: Sequence[int]
    rows: Sequence[int]
    again: int
    """Events that an instance got though their rows were there: it took over a batch that another had not answered."""

    @property
    def whole_rate(self) -> float:
        """With what sidecars take to start and to share the partitions."""
        return self.arrived.count / (self.arrived.times[-1] - self.started)

    @property
    def first(self) -> float:
        """From the sidecars' start to the first row."""
        return self.arrived.times[0] - self.started


class DrainWay(Way):
    """Only the way to Kubernetes: sync-git stands still from the first backlog on."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        super().__init__(platform)
        self._folder = folder
        self._number = 0
        self._url = self._env["ROWCAST_SYNC_K8S_URL"]

    def drained(self, rows: int, instances: int) -> Round:
        """Change every row while no instance is there, start as many as asked for, and wait until all have arrived.

        The clock starts with their sidecars, all at once, when each application is there: else the first would have
        most of the backlog before the last has started.
        """
        ids = self._rows("backlog", rows)
        # With its application down a sidecar would stay in the group and keep its partitions.
        for part in ("sync-git", "sync-git-dapr", SYNC, f"{SYNC}-dapr"):
            self._platform.stop_part(part)
        self._number += 1
        wanted = self._held_back(lambda cursor: self._change_all(cursor, ids, f"d{self._number}"))
        with self._watching_cluster() as watcher, self._applications(instances) as others:
            started = time.time()
            self._platform.start_part(f"{SYNC}-dapr")
            for other in others:
                other.start_sidecar()
            missing = await_all(watcher, wanted, max(PATIENCE, rows / SLOWEST))
            times = sorted(watcher.seen[key] for key in wanted & watcher.seen.keys())
            if not times:
                raise TimeoutError(f"nothing of the backlog has arrived by {instances} instances")
            pids = [self._platform.supervisor.states()[SYNC].pid, *(other.pid for other in others)]
            held = [memory.held([pid]) for pid in pids if pid]
            delivered, again = _counted([self._url, *(other.url for other in others)], len(times))
        limit = self._limit("k8s", rows, self._number, times)
        return Round(instances, Arrivals(times, missing), started, limit, held, delivered, again)

    def partitions(self) -> int:
        """How many the topic has that the instances share."""
        with topic_of(self._env["ROWCAST_KAFKA"]) as topic:
            return topic.partitions()

    @contextmanager
    def _applications(self, instances: int) -> Iterator[list[Instance]]:
        """The platform's own instance and the others, which are given, without sidecars yet; the others end after it.

        Raises AssertionError where one does not start.
        """
        others: list[Instance] = []
        self._platform.start_part(SYNC)
        try:
            for number in range(1, instances):
                taken = [port for other in others for port in other.ports]
                folder = self._folder / f"{self._number}-{number}"
                others.append(start_application(self._platform, SYNC, folder, taken))
            urls = [self._url, *(other.url for other in others)]
            wait_until(lambda: all(answers(f"{url}/healthz") for url in urls), lambda: f"one of {urls} does not start")
            yield others
        finally:
            for other in others:
                other.end()


def _counted(urls: Sequence[str], rows: int) -> tuple[list[int], int]:
    """Rows that each instance has delivered, and events of rows that were there before, since the instances' start.

    A batch is counted when all of it is delivered and told, some time after its rows are there.
    """
    deadline = time.monotonic() + COUNTED_SECONDS
    while True:
        each = [outcomes(url) for url in urls]
        delivered = [sum(one[name] for name in DELIVERED) for one in each]
        if sum(delivered) >= rows or time.monotonic() > deadline:
            return delivered, sum(one[name] for one in each for name in AGAIN)
        time.sleep(0.2)


def measure(
    platform: Platform, rows: int, rounds: int, instances: Sequence[int], say: Callable[[str], None]
) -> Iterator[str]:
    """Each number of instances once in each round; gives the lines of the table and what there is to say about it."""
    with tempfile.TemporaryDirectory(prefix="rowcast-instances-") as folder:
        way = DrainWay(platform, Path(folder))
        way.prepare_limits(rows)
        found: dict[int, list[Round]] = {count: [] for count in instances}
        for number in range(rounds):
            for count in instances:
                found[count].append(one := way.drained(rows, count))
                say(
                    f"round {number + 1} of {rounds}, {count} instances: {one.arrived.rate:,.0f} rows/s,"
                    f" bare limit {one.limit:,.0f}, rows of each {_each(one.rows)}"
                )
        partitions = way.partitions()
    yield from tables.table(COLUMNS, map(_cells, found.values()))
    yield ""
    yield f"The topic has {partitions} partitions; an instance is one application with one sidecar."
    for count, its in found.items():
        yield from (f"- {note}" for note in _notes(count, its, rows, partitions))


def _cells(its: Sequence[Round]) -> Sequence[str]:
    of_limit = [one.arrived.rate / one.limit for one in its]
    return (
        str(its[0].instances),
        tables.spread([one.arrived.rate for one in its]),
        f"{median(of_limit):.0%} ({min(of_limit):.0%} to {max(of_limit):.0%})",
        tables.spread([one.whole_rate for one in its]),
        tables.spread([one.first for one in its]),
        tables.spread([one.limit for one in its]),
        tables.spread([held / memory.MIB for one in its for held in one.bytes]),
        _each(its[-1].rows),
        f"{sum(one.again for one in its):,}",
    )


def _each(rows: Sequence[int]) -> str:
    return ", ".join(f"{count:,}" for count in rows)


def _notes(count: int, its: Sequence[Round], rows: int, partitions: int) -> Iterator[str]:
    if partitions < count:
        yield f"{count} instances: the topic has only {partitions} partitions, so {count - partitions} have none"
    for number, one in enumerate(its, 1):
        if one.arrived.missing:
            yield f"{count} instances, round {number}: {one.arrived.missing:,} of {rows:,} rows have not arrived"
        if idle := sum(1 for its_rows in one.rows if not its_rows):
            yield f"{count} instances, round {number}: {idle} had no row"
