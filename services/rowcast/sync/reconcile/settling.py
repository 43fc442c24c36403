"""Settles rows: reads them again, delivers what the table says now, and looks whether it still does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rowcast.core.errors import PermanentError
from rowcast.core.events import AppConfig, Change, Op
from rowcast.core.messages import Status, status
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Result, Target
from rowcast.core.reconcile import Difference, Kind
from rowcast.core.render import Desired, render
from rowcast.sync.clock import now
from rowcast.sync.table.rows import TABLE, Found, LateRow, Table, find
from rowcast.sync.table.visibility import Visibility

ACTOR = "rowcast"
CAUSE = "reconcile"
LOOKS = 30
LOOK_SECONDS = 0.1
ROUNDS = 5
"""How often a row that keeps changing is followed; the events of those changes come anyway."""


@dataclass(slots=True)
class Settled:
    """What became of some rows. `skipped` ones have changed since they were compared: their events will come."""

    results: dict[int, tuple[Desired, Result]] = field(default_factory=dict)
    skipped: int = 0

    def statuses(self) -> list[Status]:
        """As in the messages of the status topic."""
        return [_status(desired, result) for desired, result in self.results.values()]


class Settling:
    """Delivers authoritative states to one target."""

    def __init__(self, target: Target, table: Table) -> None:
        self._target = target
        self._table = table

    async def differences(self, differences: Sequence[Difference]) -> Settled:
        """Put differences right, unless the table has gone on meanwhile. Raises TransientError."""
        found = await find(self._table, (difference.row_id for difference in differences))
        settled = Settled()
        wanted = []
        for difference in differences:
            desired = _confirmed(difference, found.rows.get(difference.row_id), found.lsn)
            if desired is None:
                settled.skipped += 1
            else:
                wanted.append(desired)
        await self._deliver(wanted, settled)
        return settled

    async def rows(self, row_ids: Iterable[int], *, again: bool = False) -> Settled:
        """Deliver these rows as the table has them now; one that is gone is left to its event, or to a plan.

        Raises TransientError.
        """
        found = await find(self._table, row_ids)
        settled = Settled()
        wanted = [replace(_authoritative(desired), again=again) for desired in found.rows.values()]
        await self._deliver(wanted, settled)
        return settled

    async def late(self, rows: Sequence[LateRow]) -> Settled:
        """Deliver rows that have not arrived, as the table has them now, and the deletions among them.

        Raises TransientError.
        """
        found = await find(self._table, (row.row_id for row in rows))
        settled = Settled()
        # It is no correction of ours, but what a person has changed.
        wanted = [
            replace(_authoritative(desired), actor=desired.actor, actor_verified=desired.actor_verified)
            for desired in found.rows.values()
        ]
        wanted += [_late_deletion(row, found.lsn) for row in rows if row.deleted and row.row_id not in found.rows]
        await self._deliver(wanted, settled)
        return settled

    async def _deliver(self, wanted: Sequence[Desired], settled: Settled) -> None:
        """An event that overtook us found the table as it is after we read it: so read it again after delivering.

        What the target has of a later generation may be such an event's. Only when the table, read after that was seen,
        still is where it was (it was restored, say) does it go below.
        """
        for _ in range(ROUNDS):
            if not wanted:
                return
            results = await self._target.deliver(wanted)
            for desired in wanted:
                settled.results[desired.row_id] = (desired, results[desired.row])
            again = {desired.row_id: fence for desired in wanted if (fence := _open(desired, results)) is not None}
            found = await find(self._table, again)
            unsure = await self._unsure(again, found)
            wanted = [
                changed
                for desired in wanted
                if desired.row_id in again
                and desired.row_id not in unsure
                and (changed := _changed(desired, found, again[desired.row_id])) is not None
            ]

    async def _unsure(self, fences: Mapping[int, int], found: Found) -> set[int]:
        """Rows that the table shows below what the target has, or had, and that may have gone on all the same.

        What was captured is not yet visible to others for a moment. So what ran when the table was read must have ended
        before what it says then is believed; what has not by LOOKS is left to the next reconcile. `found` is brought
        forward.
        """
        below = {row_id for row_id in fences if row_id in found.rows and found.rows[row_id].generation < fences[row_id]}
        first = {row_id: found.seen[row_id] for row_id in below}
        for _ in range(LOOKS):
            below = {row_id for row_id in below if not _ended(first[row_id], found.seen[row_id])}
            if not below:
                break
            await asyncio.sleep(LOOK_SECONDS)
            later = await find(self._table, below)
            for row_id in below:
                found.rows.pop(row_id, None)
            found.rows |= later.rows
            found.seen |= later.seen
        return below


def _ended(first: Visibility | None, latest: Visibility | None) -> bool:
    """A crud of before 0.2 tells nothing of what runs."""
    return first is None or latest is None or latest.ended_since(first)


def _confirmed(difference: Difference, current: Desired | None, lsn: int) -> Desired | None:
    """What to deliver, if the table still says what it said when it was compared."""
    if difference.kind is Kind.ORPHANED:
        return _deletion(difference, lsn) if current is None else None
    if current is None or current.generation != difference.generation:
        return None
    return _authoritative(current, difference.held, difference.rival_lsn)


def _changed(delivered: Desired, found: Found, fence: int) -> Desired | None:
    """What the table says now, if that is not what was delivered, or was fended off by what had been there before."""
    current = found.rows.get(delivered.row_id)
    fended = fence > delivered.supersedes
    if current is None:
        gone = replace(delivered, manifests=(), lsn=found.lsn, supersedes=max(fence, delivered.supersedes))
        return None if delivered.deleted and not fended else gone
    if not delivered.deleted and current.generation == delivered.generation and not fended:
        return None
    return _authoritative(current, fence)


def _authoritative(desired: Desired, supersedes: int = 0, rival_lsn: int = 0) -> Desired:
    """A rival's LSN was in the inventory before the row was read: beyond the row's, it is of another timeline."""
    return replace(
        desired,
        authoritative=True,
        again=True,
        actor=ACTOR,
        actor_verified=False,
        supersedes=supersedes,
        lsn=max(desired.lsn, rival_lsn),
    )


def _deletion(difference: Difference, lsn: int) -> Desired:
    return replace(_gone(difference, ACTOR, lsn), authoritative=True, supersedes=difference.held)


def _late_deletion(row: LateRow, lsn: int) -> Desired:
    return _gone(row, row.actor, lsn)


def _gone(row: LateRow | Difference, actor: str, lsn: int) -> Desired:
    """As the event of the deletion would say it."""
    # What its event would have beside is of no use to a deletion, and in the table no more.
    last = AppConfig(row.row_id, row.name, "", "", row.environment, row.generation, "", "", actor)
    return render(Change(TABLE, Op.DELETE, last, lsn, saved_at=None))


def _open(desired: Desired, results: Mapping[tuple[str, int], Result]) -> int | None:
    """The fence (0: none) of a row that has to be read again; None for one that is settled, or must be tried later."""
    result = results[desired.row]
    if not isinstance(result, Delivered) or result.outcome is Outcome.UNCHANGED:
        return None
    return result.fence


def _status(desired: Desired, result: Result) -> Status:
    outcome = result.outcome if isinstance(result, Delivered) else Outcome.DEAD_LETTERED
    return status(desired, result, now(), outcome=outcome, cause=CAUSE)


def told(result: Result) -> bool:
    """Whether a result belongs in a status: a transient failure is no state of a row, it will be tried again."""
    return isinstance(result, Delivered) or isinstance(result.error, PermanentError)
