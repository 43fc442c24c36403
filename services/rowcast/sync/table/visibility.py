"""Which transactions a snapshot of the database sees."""

from __future__ import annotations

from dataclasses import dataclass

IDS = 1 << 32
AHEAD = 1 << 16
"""A transaction whose commit was captured began before whoever asks now: few can have begun after it and ended already.
An id further ahead than this is no transaction's of this database, and nobody waits for it.
"""
"""Change capture tells the lower 32 bits of a transaction's id."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """A `pg_snapshot`: ids below `end` have ended when it was taken, except for those `running`."""

    end: int
    running: frozenset[int] = frozenset()

    def ended_since(self, earlier: Visibility) -> bool:
        """Whether all transactions that `earlier`, taken before, may not have seen have ended by now."""
        return not any((earlier.end - 1 - one) % IDS < IDS // 2 for one in self.running)

    def sees(self, transaction: int) -> bool:
        """Whether what a transaction (32 bits) has done is in the snapshot, if it was committed."""
        ahead = (transaction - self.end) % IDS
        return ahead >= AHEAD and transaction % IDS not in self.running


def visibility(text: str) -> Visibility:
    """Read `xmin:xmax:xip,xip,…`, as PostgreSQL writes it. Raises ValueError."""
    _, end, running = text.split(":")
    return Visibility(int(end), frozenset(int(one) % IDS for one in running.split(",") if one))
