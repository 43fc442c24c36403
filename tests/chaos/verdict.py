"""Whether the three places are equal, every row is told to be in sync, and nothing else has happened meanwhile."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg2

from chaos import orders
from chaos.arena import Arena
from world import State, pause

PATIENCE = 120.0
"""Seconds within which everything must be equal once the last fault is healed and the last change is made."""
TROUBLE = (OSError, httpx.HTTPError, psycopg2.Error, subprocess.SubprocessError)
ODD = (AssertionError, KeyError, TypeError, ValueError)
"""What reading a place raises where somebody has changed it by hand; it may be put right in a moment."""
DELETED = """
    SELECT row_id, extract(epoch FROM max(changed_at))::float
    FROM app_config_history WHERE change = 'deleted' GROUP BY row_id
"""


@dataclass
class Verdict:
    """What a round came to. `seconds` is the time to converge, None if it never did."""

    seconds: float | None = None
    lost: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there is nothing to blame."""
        return self.seconds is not None and not (
            self.lost or self.stale or self.resurrected or self.letters or self.damage
        )

    def lines(self) -> list[str]:
        """Everything to blame, a line each."""
        kinds = ("lost", "stale", "resurrected", "letters", "damage")
        return [f"{kind}: {line}" for kind in kinds for line in getattr(self, kind)]


class Judge:
    """Looks at the places; remembers what it has told already."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._told: set[str] = set()

    def judge(self, patience: float = PATIENCE) -> Verdict:
        """Wait until the places are equal, and say what there is to say."""
        started = time.monotonic()
        verdict = Verdict()
        why = wait(lambda: self._differences(), patience)
        if why:
            verdict.lost = why
        else:
            verdict.seconds = time.monotonic() - started
        self._testify(verdict)
        return verdict

    def _differences(self) -> list[str]:
        arena = self._arena
        table = arena.table.read()
        for name, read in (("cluster", arena.cluster.read), ("git", arena.repository.read)):
            try:
                found = differences(table, read(), name)
            except ODD as error:
                found = [f"{name} has what nobody of ours writes: {error!r}"]
            if found:
                return found
        try:
            found = orders.differences(arena.table, arena.cluster, arena.order_files)
        except ODD as error:
            found = [f"objects of orders are as nobody of ours makes them: {error!r}"]
        return found or self._unsynced(table)

    def _unsynced(self, table: State) -> list[str]:
        query = "SELECT row_id, target, observed_generation, outcome, error FROM sync_statuses WHERE NOT deleted"
        told: dict[tuple[int, str], Any] = {(row, target): rest for row, target, *rest in self._arena.table.ask(query)}
        wrong = []
        for name, (row_id, generation, *_) in table.items():
            for target in ("k8s", "git"):
                status = told.get((row_id, target))
                if status is None or status[0] != generation or status[2] is not None:
                    wrong.append(f"{name} (row {row_id}@{generation}): its status at {target} is {status}")
        return wrong

    def _testify(self, verdict: Verdict) -> None:
        arena = self._arena
        for witness in arena.watched:
            verdict.damage += wait(lambda witness=witness: [] if witness.caught_up() else ["the witness is behind"], 30)  # type: ignore[misc]
        for history in arena.committed:
            history.look()
        deleted_at: dict[int | str, float] = {int(row): float(at) for row, at in arena.table.ask(DELETED)}
        deleted_at.update(orders.deleted_at(arena.table))
        ledgers = [one.ledger for one in arena.watched] + [one.ledger for one in arena.committed]
        for ledger in ledgers:
            verdict.stale += self._news(ledger.stale)
            verdict.resurrected += self._news(ledger.resurrected(deleted_at))
        verdict.letters += self._news(self._letters())
        verdict.damage += self._news(self._broken() + arena.damage)

    def _letters(self) -> list[str]:
        query = "SELECT id, target, reason, error, row_id, generation FROM dead_letters ORDER BY id"
        letters = [str(letter) for letter in self._arena.table.ask(query)]
        return [letter for letter in letters if not any(poison in letter for poison in self._arena.poison)]

    def _broken(self) -> list[str]:
        git = self._arena.repository.git
        try:
            # From the commits that are there now. Without them fsck reads the branches *after* the objects, and takes
            # for missing what was written between the two: the load goes on while we look.
            tips = git("for-each-ref", "--format=%(objectname)").decode().split()
            git("fsck", "--full", "--strict", "--no-dangling", *tips)
        except subprocess.CalledProcessError as error:
            return [f"git fsck: {_words(error.stdout)} {_words(error.stderr)}"[:500]]
        return []

    def _news(self, lines: list[str]) -> list[str]:
        news = [line for line in lines if line not in self._told]
        self._told.update(news)
        return news


def _words(output: bytes) -> str:
    return " ".join(output.decode(errors="replace").split())


def differences(table: State, there: State, place: str) -> list[str]:
    """What a place has otherwise than the table."""
    return [
        f"{name}: table {table.get(name)}, {place} {there.get(name)}"
        for name in sorted({*table, *there})
        if table.get(name) != there.get(name)
    ]


def wait(ask: Callable[[], list[str]], seconds: float) -> list[str]:
    """Ask until there is nothing to say, or the time is over; returns what was said last."""
    began = time.monotonic()
    while True:
        try:
            found = ask()
        except TROUBLE as error:
            found = [f"cannot be read: {error!r}"]
        if not found or time.monotonic() > began + seconds:
            return found
        pause(began)
