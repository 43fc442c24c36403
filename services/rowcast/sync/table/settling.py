"""Settles rows: reads them again, delivers what the table says now, and looks whether it still does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import AppConfig, Change, Op, State, TableRow
from rowcast.core.messages import Status, status
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Result, Target, holders_of, is_claimed
from rowcast.core.reconcile import Difference, Kind
from rowcast.core.render import Desired, desired_of
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.sync.clock import now
from rowcast.sync.table.rows import Found, LateRow, Table, find
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

    results: dict[RowKey, tuple[Desired, Result]] = field(default_factory=dict)
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
        found = await find(self._table, (difference.row for difference in differences))
        settled = Settled()
        wanted = []
        for difference in differences:
            desired = _confirmed(difference, found.rows.get(difference.row), found.lsn)
            if desired is None:
                settled.skipped += 1
            else:
                wanted.append(desired)
        await self._deliver(wanted, settled)
        return settled

    async def rows(self, rows: Iterable[RowKey], *, again: bool = False) -> Settled:
        """Deliver these rows as the table has them now. Raises TransientError.

        One that is gone is left to its event, or to a plan. But what the target has of it from before a deletion that
        was delivered goes: a write that had no answer may be carried out long after.
        """
        asked = set(rows)
        found = await find(self._table, asked)
        settled = Settled()
        wanted = [replace(_authoritative(desired), again=again) for desired in found.rows.values()]
        await self._deliver(wanted, settled)
        gone = [_deleted_before(row, found.lsn) for row in asked - found.rows.keys() if self._target.known(row)]
        results = await self._target.deliver(gone) if gone else {}
        settled.results |= {one.row: (one, results[one.row]) for one in gone if not told(results[one.row])}
        return settled

    async def late(self, rows: Sequence[LateRow]) -> Settled:
        """Deliver rows that have not arrived, as the table has them now, and the deletions among them.

        Raises TransientError.
        """
        found = await find(self._table, (one.row for one in rows))
        settled = Settled()
        wanted = [_as_saved(desired) for desired in found.rows.values()]
        wanted += [_late_deletion(one, found.lsn) for one in rows if one.deleted and one.row not in found.rows]
        await self._deliver(wanted, settled)
        return settled

    async def waiting(self, rows: Iterable[Desired]) -> Settled:
        """Deliver rows that wait for what others have, as they were just read from the table. Raises TransientError."""
        settled = Settled()
        await self._deliver([_as_saved(desired) for desired in rows], settled)
        return settled

    async def _deliver(self, wanted: Sequence[Desired], settled: Settled) -> None:
        """An event that overtook us found the table as it is after we read it: so read it again after delivering.

        What the target has of a later generation may be such an event's. Only when the table, read after that was seen,
        still is where it was (it was restored, say) does it go below.
        """
        for _ in range(ROUNDS):
            if not wanted:
                return
            wanted, results = await self._deliver_with_holders(wanted)
            for desired in wanted:
                settled.results[desired.row] = (desired, results[desired.row])
            again = {desired.row: fence for desired in wanted if (fence := _open(desired, results)) is not None}
            found = await find(self._table, again)
            unsure = await self._unsure(again, found)
            wanted = [
                changed
                for desired in wanted
                if desired.row in again
                and desired.row not in unsure
                and (changed := _changed(desired, found, again[desired.row])) is not None
            ]

    async def _deliver_with_holders(
        self, wanted: Sequence[Desired]
    ) -> tuple[Sequence[Desired], Mapping[RowKey, Result]]:
        """Deliver rows, and the rows that have what they wait for: whatever was delivered or tried, and its results.

        Rows that pass their names on in a ring get there in one batch only (`Claims`). But the next one of the ring may
        wait in another instance, or in another batch, and has then never been in one with this one. So the table is
        asked for it, and after it for the one whose name it waits for, until nobody new is met.
        """
        results = {**await self._target.deliver(wanted)}
        tried = {one.row: one for one in wanted}
        asked = set(tried)
        with suppress(TransientError):  # they go on waiting, and what was delivered by then is told
            while met := {row for result in results.values() for row in holders_of(result)} - asked:
                asked |= met
                found = await find(self._table, met)
                brought = {row: _as_saved(desired) for row, desired in found.rows.items()}
                results |= await self._target.deliver(list(brought.values())) if brought else {}
                tried |= brought
            claimed = [one for row, one in tried.items() if is_claimed(results[row])]
            if len(tried) > len(wanted) and claimed:
                results |= await self._target.deliver(claimed)
        # Of one that was only asked there is nothing to tell: its own event does that.
        moved = [one for one in list(tried.values())[len(wanted) :] if _has_moved(results[one.row])]
        return [*wanted, *moved], results

    async def _unsure(self, fences: Mapping[RowKey, int], found: Found) -> set[RowKey]:
        """Rows that the table shows below what the target has, or had, and that may have gone on all the same.

        What was captured is not yet visible to others for a moment. So what ran when the table was read must have ended
        before what it says then is believed; what has not by LOOKS is left to the next reconcile. `found` is brought
        forward.
        """
        below = {row for row in fences if row in found.rows and found.rows[row].generation < fences[row]}
        first = {row: found.seen[row] for row in below}
        for _ in range(LOOKS):
            below = {row for row in below if not _ended(first[row], found.seen[row])}
            if not below:
                break
            await asyncio.sleep(LOOK_SECONDS)
            later = await find(self._table, below)
            for row in below:
                found.rows.pop(row, None)
            found.rows |= later.rows
            found.seen |= later.seen
        return below


def _has_moved(result: Result) -> bool:
    return isinstance(result, Delivered) and result.outcome not in (Outcome.UNCHANGED, Outcome.STALE)


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
    current = found.rows.get(delivered.row)
    fended = fence > delivered.supersedes
    if current is None:
        gone = delivered.removed(lsn=found.lsn, supersedes=max(fence, delivered.supersedes))
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
        approved_by="",
        supersedes=supersedes,
        lsn=max(desired.lsn, rival_lsn),
    )


def _as_saved(desired: Desired) -> Desired:
    """No correction of ours, but what a person has changed."""
    return replace(desired, authoritative=True, again=True)


def _deletion(difference: Difference, lsn: int) -> Desired:
    return replace(_gone(difference.row, difference, ACTOR, lsn), authoritative=True, supersedes=difference.held)


def _deleted_before(row: RowKey, lsn: int) -> Desired:
    """Older than any state: stale wherever the row is, it takes only what a target knows to be deleted already."""
    return Desired(row, 0, lsn, name=f"row {row}", environment="", actor=ACTOR, manifests=())


def _late_deletion(late: LateRow, lsn: int) -> Desired:
    return replace(_gone(late.row, late, late.actor, lsn), authoritative=True)


def _gone(row: RowKey, last: LateRow | Difference, actor: str, lsn: int) -> Desired:
    """As the event of the deletion would say it."""
    # What its event would have beside is of no use to a deletion, and in the table no more.
    state: State
    if row.renderer == APP_CONFIGS:
        state = AppConfig(int(row.key), last.name, "", "", last.environment, last.generation, "", "", actor)
    else:
        state = TableRow(row, last.generation, 0, True, {}, "", actor)
    change = Change(row, Op.DELETE, state, lsn, saved_at=None)
    return desired_of(change, name=last.name, environment=last.environment)


def _open(desired: Desired, results: Mapping[RowKey, Result]) -> int | None:
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
