"""Rows into a branch that has very many files: the default path, and one that spreads them by `{shard}`, in turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench import tables
from bench.filled import AT_ONCE, fill
from bench.rows import Batch, row
from bench.writers import empty, environment
from rowcast.core.layout import DEFAULT_PATH, Layout
from rowcast.sync.targets.git import GitSettings, GitTarget

PATHS = (DEFAULT_PATH, "{environment}/{plural}/{shard}/{name}.yaml")
COUNTS = {1: 8, 100: 5, 1_000: 3}
"""Commits of a round, by their rows."""
PRIME = 7_919
"""Between one row of a batch and the next, so that they are of all folders."""
COLUMNS = ("files", "path", "rows a commit", "commits", "seconds a commit", "rows/s", "of the default path's")


def measure(folder: Path, files: int, rounds: int, say: Callable[[str], None]) -> Iterator[str]:
    """Both paths, each in a repository of its own below `folder`; a table in Markdown."""
    variables = environment(folder)
    targets = {}
    for number, path in enumerate(PATHS):
        repository = folder / f"{number}.git"
        empty(repository)
        fill(repository, _all(files), Layout("environments", path), say)
        cache = folder / f"{number}-cache"
        settings = GitSettings(
            url=f"file://{repository}", cache=cache, environment=variables, remote_timeout=300.0, path=path
        )
        targets[path] = GitTarget(settings)
    took = asyncio.run(_all_rounds(targets, files, rounds, say))
    rates = {(path, size): size / median(seconds) for (path, size), seconds in took.items()}
    yield from tables.table(
        COLUMNS,
        (
            [
                *(f"{files:,}", f"`{path}`", f"{size:,}", str(len(seconds)), tables.spread(seconds, 2)),
                *(f"{rates[path, size]:,.0f}", f"{rates[path, size] / rates[DEFAULT_PATH, size]:.1f} x"),
            ]
            for (path, size), seconds in sorted(took.items(), key=lambda item: item[0][1])
        ),
    )


async def _all_rounds(
    targets: dict[str, GitTarget], files: int, rounds: int, say: Callable[[str], None]
) -> dict[tuple[str, int], list[float]]:
    took: dict[tuple[str, int], list[float]] = {(path, size): [] for path in targets for size in COUNTS}
    for path, target in targets.items():
        started = time.perf_counter()
        await target.start()
        say(f"{path}: read in {time.perf_counter() - started:.0f} s")
    generation = 1
    for number in range(rounds):
        for size, count in COUNTS.items():
            generation += 1
            for path, target in targets.items():
                for part in range(count):
                    batch = _some(files, size, part, generation)
                    started = time.perf_counter()
                    await target.deliver(batch)
                    took[path, size].append(time.perf_counter() - started)
        say(f"round {number + 1} of {rounds}")
    for target in targets.values():
        await target.close()
    return took


def _all(files: int) -> Iterator[Batch]:
    for first in range(1, files + 1, AT_ONCE):
        yield [row(number, 1) for number in range(first, min(first + AT_ONCE, files + 1))]


def _some(files: int, size: int, part: int, generation: int) -> Batch:
    return [row((part * size + each) * PRIME % files + 1, generation) for each in range(size)]
