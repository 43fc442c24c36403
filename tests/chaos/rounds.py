"""Rounds: break something under load, heal it, wait until everything is equal, and write down what was seen."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from chaos.arena import Arena
from chaos.faults import repairs
from chaos.faults.fault import Fault
from chaos.verdict import PATIENCE, TROUBLE, Judge, Verdict

ROWS = 40
"""Rows that there are before the first fault."""
Say = Callable[[str], None]


@dataclass
class Round:
    """One round: what was done to the platform, for how many seconds, under how many changes, and what came of it."""

    number: int
    faults: list[str]
    kinds: list[str]
    seconds: float
    changes: int
    refused: int
    verdict: Verdict
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For people who look on."""
        converged = f"equal after {self.verdict.seconds:.1f} s" if self.verdict.seconds is not None else "NEVER EQUAL"
        notes = f" ({', '.join(self.notes)})" if self.notes else ""
        return (
            f"{self.number:4} {' + '.join(self.faults)}, {self.seconds:.1f} s{notes}: "
            f"{self.changes} changes, {self.refused} refused; {converged}"
        )


class Machine:
    """Breaks one arena, round after round; `say` hears of each."""

    def __init__(self, arena: Arena, seed: int, say: Say = lambda _: None, patience: float = PATIENCE) -> None:
        self._arena = arena
        self._seed = seed
        self._say = say
        self._patience = patience
        self._judge = Judge(arena)
        self.rounds: list[Round] = []

    def begin(self) -> None:
        """Have rows, and see them everywhere. Raises AssertionError if they don't get there."""
        self._arena.load.begin(ROWS)
        verdict = self._judge.judge(self._patience)
        assert verdict.good, verdict.lines()

    def play(self, faults: Sequence[Fault], before: float = 0.5) -> Round:
        """One round, with its faults at the same time; the load goes on `before` seconds alone."""
        arena = self._arena
        number = len(self.rounds) + 1
        chance = random.Random(f"round {self._seed} {number} {[fault.name for fault in faults]}")
        done, refused = arena.load.done.total(), arena.load.refused.total()
        arena.load.resume()
        time.sleep(before)
        started = time.monotonic()
        with ExitStack() as stack:
            for fault in sorted(faults, key=_holds_the_database):
                stack.enter_context(fault.during(arena, chance))
            time.sleep(max(chance.uniform(*fault.seconds) for fault in faults))
        seconds = time.monotonic() - started
        arena.load.pause()
        while arena.repairs:
            arena.repairs.pop(0)(arena)
        verdict = self._judge.judge(self._patience)
        played = Round(
            number,
            [fault.name for fault in faults],
            sorted({fault.kind for fault in faults}),
            seconds,
            arena.load.done.total() - done,
            arena.load.refused.total() - refused,
            verdict,
            arena.notes[:],
        )
        arena.notes.clear()
        self.rounds.append(played)
        self._tell(played)
        return played

    def _tell(self, played: Round) -> None:
        self._say(played.line())
        for line in played.verdict.lines():
            self._say(f"     {line}")
        if not played.verdict.good:
            self._recover()

    def _recover(self) -> None:
        """What was lost is counted once: the next round begins with equal places."""
        try:
            repairs.reconcile(self._arena)
        except (AssertionError, *TROUBLE) as error:
            self._say(f"     not even a reconcile helps: {error}")


def _holds_the_database(fault: Fault) -> bool:
    """Such a fault comes last: others begin by writing to the table, and would wait for it to end."""
    return fault.subject == "postgres"


def draw(faults: Sequence[Fault], seed: int) -> Iterator[list[Fault]]:
    """Every fault once, in any order, some of them two at a time; then again in another order."""
    chance = random.Random(f"faults {seed}")
    while True:
        for fault in chance.sample(faults, len(faults)):
            drawn = [fault]
            if chance.random() < 0.3:
                other = chance.choice(faults)
                if other.subject != fault.subject:
                    drawn.append(other)
            yield drawn
