"""Reconciling: the whole table against the whole inventory, and what has to be done about each difference. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rowcast.core.plan import Held
from rowcast.core.render import Desired
from rowcast.core.row import RowKey

PRUNE_LIMIT = 0.2
PRUNE_ALLOWANCE = 5
"""Rows that may always be pruned: of an inventory of four, one is a quarter."""


def prunable(held: int, limit: float) -> int:
    """How many of so many rows may be pruned at once; `limit` is their largest share (0 to 1)."""
    return max(PRUNE_ALLOWANCE, int(limit * held)) if limit > 0 else 0


class Kind(StrEnum):
    """How a row and the target differ."""

    MISSING = "missing"
    """The table has the row, the target nothing of it."""
    DIFFERENT = "different"
    """Both have it, not the same."""
    ORPHANED = "orphaned"
    """The target has it, the table does not."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not at the target as the table has it.

    `generation` is the table's, or for an orphan the highest that is held; `held` is the highest that is held of the
    row, 0 if nothing is; `rival_lsn` is the highest LSN that another row's object has at a place where this row's
    should be.
    """

    kind: Kind
    row: RowKey
    generation: int
    name: str
    environment: str
    why: str
    rival_lsn: int = 0
    held: int = 0

    def __str__(self) -> str:
        return f"{_VERBS[self.kind]} {self.name} (row {self.row}@{self.generation}): {self.why}"


_VERBS = {Kind.MISSING: "apply", Kind.DIFFERENT: "correct", Kind.ORPHANED: "prune"}


@dataclass(slots=True)
class ReconcilePlan:
    """What a comparison found; `in_table` and `in_inventory` count rows."""

    differences: list[Difference] = field(default_factory=list)
    in_table: int = 0
    in_inventory: int = 0

    @property
    def in_sync(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def of(self, kind: Kind) -> list[Difference]:
        """The differences of one kind."""
        return [difference for difference in self.differences if difference.kind is kind]

    def counts(self) -> Mapping[str, int]:
        """How many rows there are of each kind, zeros too."""
        found = Counter(difference.kind for difference in self.differences)
        return {str(kind): found[kind] for kind in Kind}

    def refusal(self, limit: float | None = None) -> str | None:
        """Why the plan must not be executed without being told to; None if it may.

        `limit` is the largest share (0 to 1) of the inventory's rows that may be pruned.
        """
        limit = PRUNE_LIMIT if limit is None else limit
        prunes = self.counts()[Kind.ORPHANED]
        allowed = prunable(self.in_inventory, limit)
        if prunes <= allowed:
            return None
        return (
            f"would prune {prunes} of {self.in_inventory} rows, {prunes / self.in_inventory:.0%} of the inventory, and"
            f" the limit is {limit:.0%} ({allowed} rows); the table has {self.in_table}. Is it the right, whole table?"
        )

    def lines(self, most: int | None = None) -> Iterator[str]:
        """For people: the counts, then a line for each row, at most `most` of them."""
        yield (
            f"{self.in_table} rows in the table, {self.in_inventory} at the target: "
            + ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        )
        shown = self.differences if most is None else self.differences[:most]
        yield from (f"  {difference}" for difference in shown)
        if len(shown) < len(self.differences):
            yield f"  and {len(self.differences) - len(shown)} more"


class Inventory(Protocol):
    """All that a target held at one moment. Each row is taken once."""

    @property
    def rows(self) -> int:
        """Of how many rows it is, whether they were taken or not."""
        ...

    def __iter__(self) -> Iterator[Held]: ...

    def take(self, row: RowKey) -> Sequence[Held]:
        """What was held of a row."""
        ...

    def at(self, place: str) -> Held | None:
        """What was held at a place, of a row that was taken as well."""
        ...

    def rest(self) -> Iterator[tuple[RowKey, Sequence[Held]]]:
        """What was held of the rows that were not taken."""
        ...


class HeldInventory(list[Held]):
    """The port over what fits into memory."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        super().__init__(held)
        self._rows: dict[RowKey, tuple[Held, ...]] = {}
        self._places: dict[str, Held] = {}
        for one in self:
            self._rows[one.row] = (*self._rows.get(one.row, ()), one)
            self._places[one.key] = one
        self.rows = len(self._rows)

    def take(self, row: RowKey) -> Sequence[Held]:
        """What was held of a row."""
        return self._rows.pop(row, ())

    def at(self, place: str) -> Held | None:
        """What was held at a place."""
        return self._places.get(place)

    def rest(self) -> Iterator[tuple[RowKey, Sequence[Held]]]:
        """What was held of the rows that were not taken."""
        yield from self._rows.items()


class Comparison:
    """Takes the rows of one snapshot one by one, so that the table never has to be in memory.

    The inventory must have been read before the snapshot was taken: then an LSN in it that is higher than the
    snapshot's is of another timeline (the database was restored), and not merely newer.
    """

    def __init__(self, inventory: Inventory, lsn: int) -> None:
        self._lsn = lsn
        self._inventory = inventory
        self._plan = ReconcilePlan(in_inventory=inventory.rows)

    def row(self, desired: Desired, expected: Iterable[Held]) -> None:
        """Compare one row of the table with what is held of it; `expected` is what should be."""
        self._plan.in_table += 1
        expected = tuple(expected)
        held = self._inventory.take(desired.row)
        why = _why(held, expected, self._lsn)
        if why is None:
            return
        kind = Kind.DIFFERENT if held else Kind.MISSING
        self._plan.differences.append(_difference(kind, desired, why, held, self._rivals(desired, expected)))

    def invalid(self, desired: Desired) -> None:
        """A row that the target can't hold: it says so itself when it is delivered, and loses nothing until then."""
        self._plan.in_table += 1
        held = self._inventory.take(desired.row)
        self._plan.differences.append(_difference(Kind.DIFFERENT, desired, "cannot be delivered", held))

    def unknown(self, row: RowKey) -> None:
        """A row of which nobody can say for now what should be there: it keeps what it has."""
        self._plan.in_table += 1
        self._inventory.take(row)

    def finish(self) -> ReconcilePlan:
        """The plan, once every row was compared: what is left of the inventory is orphaned. Prunes come first, since
        they free names.
        """
        orphans = [_orphan(row, held) for row, held in self._inventory.rest()]
        self._plan.differences[:0] = orphans
        return self._plan

    def _rivals(self, desired: Desired, expected: Iterable[Held]) -> int:
        there = (self._inventory.at(one.key) for one in expected)
        return max((held.lsn for held in there if held is not None and held.row != desired.row), default=0)


def _why(held: Sequence[Held], expected: tuple[Held, ...], lsn: int) -> str | None:
    """How what is held is not what is expected, in words; None when it is."""
    if not held:
        return "is not there" if expected else None
    current, wanted = {one.key: one for one in held}, {one.key: one for one in expected}
    if current.keys() != wanted.keys():
        return "is at " + ", ".join(sorted(current)) + (", not at " + ", ".join(sorted(wanted)) if wanted else "")
    for key, one in current.items():
        if one.generation != wanted[key].generation:
            return f"generation {one.generation} is there, the table has {wanted[key].generation}"
        if one.digest != wanted[key].digest:
            return "was edited there"
        if one.lsn > lsn:
            return "was delivered from a later state of the database, which has been restored since"
    return None


def _difference(kind: Kind, desired: Desired, why: str, held: Sequence[Held], rival_lsn: int = 0) -> Difference:
    return Difference(
        kind,
        desired.row,
        desired.generation,
        desired.name,
        desired.environment,
        why,
        rival_lsn,
        held=max((one.generation for one in held), default=0),
    )


def _orphan(row: RowKey, held: Sequence[Held]) -> Difference:
    newest = max(held, key=lambda one: one.generation)
    name = newest.key.rpartition("/")[2].removesuffix(".yaml")
    why = "the table has no such row"
    generation = newest.generation
    return Difference(Kind.ORPHANED, row, generation=generation, name=name, environment="", why=why, held=generation)
