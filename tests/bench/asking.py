"""How long crud takes for what people and pages ask it, by the way of the dashboard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import get_args

import httpx

from bench import tables
from rowcast.crud.deliveries.states import Overall
from rowcast.crud.rows.queries import SORTABLE
from world import World

COLUMNS = ("asked", "tries", "p50, ms", "max, ms", "rows in all")
TRIES = 10


@dataclass(frozen=True)
class Asked:
    """One path: milliseconds of each try that was answered, the total that a list tells, and why no more was tried."""

    what: str
    path: str
    took: list[float]
    total: int | None = None
    trouble: str | None = None

    def cells(self) -> list[str]:
        """Of the table."""
        spent = (f"{median(self.took):,.0f}", f"{max(self.took):,.0f}") if self.took else ("—", "—")
        return [
            f"{self.what}: `{self.path}`",
            str(len(self.took)),
            *spent,
            "" if self.total is None else str(self.total),
        ]


def paths(hit: str, miss: str) -> Iterator[tuple[str, str]]:
    """What is asked, in words and as a path; `hit` is a text that is found, `miss` one that is not."""
    yield "the pipeline", "/pipeline"
    yield "first page", "/appconfigs"
    for state in (*get_args(Overall), "overdue", "deleting"):
        yield f"the state {state}", f"/appconfigs?state={state}"
    yield "a search that finds", f"/appconfigs?search={hit}"
    yield "a search that finds nothing", f"/appconfigs?search={miss}"
    for column in SORTABLE:
        yield f"by {column}", f"/appconfigs?sort={column}"
        yield f"by {column}, descending", f"/appconfigs?sort=-{column}"


def ask_all(world: World, hit: str, miss: str) -> Iterator[Asked]:
    """Each path ten times; one that isn't answered in time (60 s), or with an error, is not tried again."""
    with world.api() as api:
        for what, path in paths(hit, miss):
            yield _ask(api, what, path)


def _ask(api: httpx.Client, what: str, path: str) -> Asked:
    took: list[float] = []
    total: int | None = None
    for _ in range(TRIES):
        started = time.perf_counter()
        try:
            answer = api.get(path)
        except httpx.HTTPError as error:
            return Asked(what, path, took, total, f"{path}: {error!r} after {time.perf_counter() - started:.0f} s")
        if not answer.is_success:
            return Asked(what, path, took, total, f"{path}: {answer.status_code}: {answer.text[:200]}")
        took.append((time.perf_counter() - started) * 1000)
        total = answer.json().get("total")
    return Asked(what, path, took, total)


def table(asked: list[Asked]) -> Iterator[str]:
    """In Markdown."""
    yield from tables.table(COLUMNS, (one.cells() for one in asked))
