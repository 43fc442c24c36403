"""Which transactions a snapshot of the database sees."""

from __future__ import annotations

from dataclasses import dataclass

IDS = 1 << 32
"""Change capture tells the lower 32 bits of a transaction's id; they compare within half of that range."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """A `pg_snapshot`: ids below `end` have ended when it was taken, except for those `running`."""

    end: int
    running: frozenset[int] = frozenset()

    def sees(self, transaction: int) -> bool:
        """Whether what a transaction (32 bits) has done is in the snapshot, if it was committed."""
        age = (self.end - transaction) % IDS
        return 0 < age <= IDS // 2 and transaction % IDS not in self.running


def visibility(text: str) -> Visibility:
    """Read `xmin:xmax:xip,xip,…`, as PostgreSQL writes it. Raises ValueError."""
    _, end, running = text.split(":")
    return Visibility(int(end), frozenset(int(one) % IDS for one in running.split(",") if one))
