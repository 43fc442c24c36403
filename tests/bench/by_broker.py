"""The same measurements on a platform of each broker, in turns in one run, with the ratio to the first one, Kafka."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import brokers
from bench import memory
from bench.way import Arrivals, Way
from rowcast_local.platform import Platform

TITLES = {
    brokers.KAFKA: "Kafka, Connect",
    brokers.ENGINE: "Kafka, engine",
    "redis": "Redis Streams",
    "rabbitmq": "RabbitMQ",
    "jetstream": "NATS JetStream",
}
UNBATCHED_SECONDS = 300.0
"""How long a backlog may take to drain: where each row is a commit of its own, 10,000 take longer than this."""


@dataclass
class Figures:
    """What was measured of one platform, a value for each round. Seconds, milliseconds, rows/s and MiB."""

    values: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, measure: str, value: float) -> None:
        """One round's value."""
        self.values.setdefault(measure, []).append(value)


@dataclass(frozen=True)
class Size:
    """How much is measured in a round: changes of the latency run, changes/s, rows of the backlog."""

    changes: int
    per_second: float
    rows: int


def measure(names: Sequence[str], rounds: int, size: Size, checkout: Path, say: Callable[[str], None]) -> list[str]:
    """Every platform of `names` once in each round, each started anew; returns the table's and the notes' lines."""
    found = {name: Figures() for name in names}
    for number in range(rounds):
        for name in names:
            say(f"round {number + 1} of {rounds}: {TITLES[name]}")
            with tempfile.TemporaryDirectory(prefix="rowcast-bench-") as folder:
                _round(_platform(name, Path(folder), checkout), found[name], size)
    return [*table(found), "", *(f"- {TITLES[name]}: {note}" for name in names for note in found[name].notes)]


def _platform(name: str, folder: Path, checkout: Path) -> Platform:
    # A periodic run would fall into the measurement.
    both = {"ROWCAST_RECONCILE_SECONDS": "0"}
    settings = {"sync-k8s": both, "sync-git": both}
    return Platform(folder, checkout=checkout, free_ports=True, settings=settings, **brokers.PLATFORMS[name])


def _round(platform: Platform, figures: Figures, size: Size) -> None:
    try:
        figures.add("first start to ready, s", _start(platform))
        platform.stop()
        figures.add("started again to ready, s", _start(platform))
        way = Way(platform)
        for one in way.latency(size.changes, size.per_second):
            where = "resource" if one.target == "k8s" else "Git commit"
            figures.add(f"commit → {where}, p50, ms", one.p50)
            figures.add(f"commit → {where}, p99, ms", one.p99)
            if one.lost:
                figures.notes.append(f"{one.lost} of {one.samples + one.lost} changes never seen at {one.target}")
        figures.add("memory of all parts, MiB (PSS)", sum(memory.of_parts(platform).values()) / memory.MIB)
        for target, arrived in way.new_rows(size.rows, UNBATCHED_SECONDS):
            figures.add(f"backlog of {size.rows:,}: {target}, rows/s", arrived.rate)
            if arrived.missing:
                figures.notes.append(_unfinished(target, arrived))
    finally:
        platform.destroy()


def _unfinished(target: str, arrived: Arrivals) -> str:
    return f"{arrived.count:,} of the backlog were at {target} after {UNBATCHED_SECONDS:.0f} s; the rate is of these"


def _start(platform: Platform) -> float:
    started = time.perf_counter()
    platform.start()
    platform.wait_ready()
    return time.perf_counter() - started


def table(found: Mapping[str, Figures]) -> list[str]:
    """In Markdown: a column for each platform, median (min to max) of the rounds, and the ratio to the first one's."""
    first = next(iter(found.values()))
    measures = [*first.values]
    lines = ["| | " + " | ".join(TITLES[name] for name in found) + " |", "|---" + "|---:" * len(found) + "|"]
    for name in measures:
        cells = (_cell(figures.values.get(name, []), first.values[name]) for figures in found.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(values: Sequence[float], first: Sequence[float]) -> str:
    if not values:
        return "—"
    digits = 1 if median(values) < 20 else 0
    middle, least, most = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    spread = f" ({least} to {most})" if len(values) > 1 else ""
    ratio = "" if values is first else f", {median(values) / median(first):.2f} x"
    return f"{middle}{spread}{ratio}"
