"""Settles rows: reads them again, delivers what the table says now, and looks whether it still does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rowcast.core.errors import PermanentError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Result, Target
from rowcast.core.reconcile import Difference, Kind
from rowcast.core.render import Desired
from rowcast.sync.reconcile.run import now
from rowcast.sync.reconcile.table import TABLE, Table

ACTOR = "rowcast"
CAUSE = "reconcile"
IDS_AT_ONCE = 100
"""Keeps the request's line well under the 4 KiB that sidecars take by default."""
ROUNDS = 5
"""How often a row that keeps changing is followed; the events of those changes come anyway."""


@dataclass(slots=True)
class Settled:
    """What became of some rows. `skipped` ones have changed since they were compared: their events will come."""

    results: dict[int, tuple[Desired, Result]] = field(default_factory=dict)
    skipped: int = 0

    def statuses(self) -> list[dict[str, Any]]:
        """As in the messages of the status topic."""
        return [_status(desired, result) for desired, result in self.results.values()]


class Settling:
    """Delivers authoritative states to one target."""

    def __init__(self, target: Target, table: Table) -> None:
        self._target = target
        self._table = table

    async def differences(self, differences: Sequence[Difference]) -> Settled:
        """Put differences right, unless the table has gone on meanwhile. Raises TransientError."""
        current, lsn = await self._read(difference.row_id for difference in differences)
        settled = Settled()
        wanted = []
        for difference in differences:
            desired = _confirmed(difference, current.get(difference.row_id), lsn)
            if desired is None:
                settled.skipped += 1
            else:
                wanted.append(desired)
        await self._deliver(wanted, settled)
        return settled

    async def rows(self, row_ids: Iterable[int]) -> Settled:
        """Deliver these rows as the table has them now; one that is gone is left to its event, or to a plan.

        Raises TransientError.
        """
        current, _ = await self._read(row_ids)
        settled = Settled()
        await self._deliver([_authoritative(desired) for desired in current.values()], settled)
        return settled

    async def _deliver(self, wanted: Sequence[Desired], settled: Settled) -> None:
        """An event that overtook us found the table as it is after we read it: so read it again after delivering."""
        for _ in range(ROUNDS):
            if not wanted:
                return
            results = await self._target.deliver(wanted)
            for desired in wanted:
                settled.results[desired.row_id] = (desired, results[desired.table, desired.row_id])
            current, lsn = await self._read(desired.row_id for desired in wanted if _written(desired, results))
            wanted = [
                changed
                for desired in wanted
                if _written(desired, results)
                and (changed := _changed(desired, current.get(desired.row_id), lsn)) is not None
            ]

    async def _read(self, row_ids: Iterable[int]) -> tuple[dict[int, Desired], int]:
        ids = sorted(set(row_ids))
        found: dict[int, Desired] = {}
        lsn = 0
        for start in range(0, len(ids), IDS_AT_ONCE):
            async with self._table.snapshot(ids[start : start + IDS_AT_ONCE]) as snapshot:
                lsn = snapshot.lsn
                async for desired in snapshot.rows:
                    found[desired.row_id] = desired
        return found, lsn


def _confirmed(difference: Difference, current: Desired | None, lsn: int) -> Desired | None:
    """What to deliver, if the table still says what it said when it was compared."""
    if difference.kind is Kind.ORPHANED:
        return _deletion(difference, lsn) if current is None else None
    if current is None or current.generation != difference.generation:
        return None
    return _authoritative(current, difference.rival_lsn)


def _changed(delivered: Desired, current: Desired | None, lsn: int) -> Desired | None:
    """What the table says now, if that is not what was delivered."""
    if current is None:
        return None if delivered.deleted else replace(delivered, manifests=(), lsn=lsn)
    if not delivered.deleted and current.generation == delivered.generation:
        return None
    return _authoritative(current)


def _authoritative(desired: Desired, rival_lsn: int = 0) -> Desired:
    """A rival's LSN was in the inventory before the row was read: beyond the row's, it is of another timeline."""
    return replace(desired, authoritative=True, actor=ACTOR, lsn=max(desired.lsn, rival_lsn))


def _deletion(difference: Difference, lsn: int) -> Desired:
    return Desired(
        table=TABLE,
        row_id=difference.row_id,
        generation=difference.generation,
        lsn=lsn,
        name=difference.name,
        environment=difference.environment,
        actor=ACTOR,
        manifests=(),
        authoritative=True,
    )


def _written(desired: Desired, results: Mapping[tuple[str, int], Result]) -> bool:
    result = results[desired.table, desired.row_id]
    return isinstance(result, Delivered) and result.outcome is not Outcome.UNCHANGED


def _status(desired: Desired, result: Result) -> dict[str, Any]:
    return {
        "row_id": desired.row_id,
        "name": desired.name,
        "generation": desired.generation,
        "outcome": str(result.outcome if isinstance(result, Delivered) else Outcome.DEAD_LETTERED),
        "deleted": desired.deleted,
        "reference": result.reference if isinstance(result, Delivered) else None,
        "error": None if isinstance(result, Delivered) else str(result.error),
        "saved_at": None,
        "captured_at": None,
        "delivered_at": now(),
        "cause": CAUSE,
    }


def told(result: Result) -> bool:
    """Whether a result belongs in a status: a transient failure is no state of a row, it will be tried again."""
    return isinstance(result, Delivered) or isinstance(result.error, PermanentError)
