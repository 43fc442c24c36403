"""Rows into a branch: Rowcast, git's commands file by file, and `git fast-import`, in turns in one run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import tables
from bench.rows import batches, row
from bench.writers import FileByFile, Rowcast, copy, environment, fast_import, fast_import_each, seed, served

COUNTS = {1: 20, 10: 20, 100: 10, 1_000: 5}
"""Batches of a round, by their size, at most."""
SINGLE_ROWS = 10
"""Rows of a round that are written file by file."""


@dataclass(slots=True)
class Figures:
    """Rows per second of each round, at one remote with so many files. `single` stands for every batch size."""

    remote: str
    existing: int
    size: int
    rowcast: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    pushed: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)

    def line(self) -> str:
        """A row of the table."""
        others = (self.limit, self.pushed, self.single)
        of_limit, of_pushed, over_single = (median(self.rowcast) / median(other) for other in others)
        commits = median(self.rowcast) / self.size
        cells = (
            self.remote,
            f"{self.existing:,}",
            f"{self.size:,}",
            tables.spread(self.rowcast),
            f"{commits:.1f}",
            tables.spread(self.limit),
            f"{of_limit:.0%}",
            tables.spread(self.pushed),
            f"{of_pushed:.0%}",
            tables.spread(self.single),
            f"{over_single:.0f} x",
        )
        return tables.row(cells)


COLUMNS = (
    *("remote", "files", "rows a commit", "Rowcast, rows/s", "commits/s"),
    *("fast-import, rows/s", "of it", "pushed each, rows/s", "of it", "file by file, rows/s", "over it"),
)
HEAD = tables.head(COLUMNS)


def measure(folder: Path, existing: Sequence[int], sizes: Sequence[int], rounds: int) -> Iterator[Figures]:
    """Every combination, at a local repository and over smart HTTP; everything is made below `folder`."""
    variables = environment(folder)
    for count in existing:
        seeds = folder / f"seed-{count}.git"
        seed(seeds, [row(number, 1) for number in range(1, count + 1)] or [row(0, 1)])
        here = folder / str(count)
        here.mkdir()
        with served(here) as url:
            for remote, base in (("local", f"file://{here}"), ("HTTP", url)):
                yield from _at(here, seeds, (remote, base), count, sizes, rounds, variables)


def _at(
    folder: Path,
    seeds: Path,
    remote: tuple[str, str],
    existing: int,
    sizes: Sequence[int],
    rounds: int,
    variables: Mapping[str, str],
) -> Iterator[Figures]:
    name, base = remote
    urls = {}
    for writer in ("rowcast", "limit", "pushed", "single"):
        copy(seeds, folder / f"{name}-{writer}.git")
        urls[writer] = f"{base}/{name}-{writer}.git"
    bare = folder / f"{name}-bare.git"
    copy(seeds, bare)
    each = folder / f"{name}-each.git"
    copy(seeds, each)
    single = FileByFile(urls["single"], folder / f"{name}-clone", variables)
    table = {size: Figures(name, existing, size) for size in sizes}

    async def rowcast() -> None:
        target = Rowcast(urls["rowcast"], folder / f"{name}-cache", variables)
        await target.start()
        generation = 1
        for _ in range(rounds):
            generation += 1
            rate = SINGLE_ROWS / single.deliver(batches(existing, SINGLE_ROWS, 1, generation)[0])
            for size, figures in table.items():
                generation += 1
                # No row twice in a round: what has been delivered costs nothing.
                most = min(COUNTS.get(size, 5), existing // size) if existing else COUNTS.get(size, 5)
                work = batches(existing, size, most, generation)
                rows = sum(map(len, work))
                figures.rowcast.append(rows / await target.deliver(work))
                figures.limit.append(rows / fast_import(urls["limit"], bare, work, variables))
                figures.pushed.append(rows / fast_import_each(urls["pushed"], each, work, variables))
                figures.single.append(rate)
        await target.close()

    asyncio.run(rowcast())
    yield from table.values()
