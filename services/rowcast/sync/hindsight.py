"""What an event can't know: whether its row is still there. Asked of the table where the target can't tell either.

An object at the target stands guard for its row: its generation fends off whatever is older, by a precondition of the
write. A row that is gone has no guard. What an instance remembers of deletions ends with it, and another instance
remembers its own. So where nothing stands guard, the table is asked:

- before an event is delivered that is older than this instance: delivered twice around a restart, held by a broker, or
  replayed from the dead letters;
- after something new was made of an event: another instance may have seen the row's end meanwhile. Then it is taken
  back, before the event counts as done. Until that is known, the event comes again. The same where the row has moved
  to another environment meanwhile: its guard may stand at another place.

Ids are never used twice, so what the table says of a row that is gone is true for ever. Updates, which in quiet times
are nearly all there is, ask nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, Result, RowKey, Target
from rowcast.core.render import Desired
from rowcast.runtime.logging import get_logger
from rowcast.sync.reconcile.table import Found, Table, find

ROWS_IN_A_LOG_LINE = 20


class Hindsight:
    """Delivers to a target what its events say and the table does not contradict."""

    def __init__(self, target: Target, table: Table) -> None:
        self._target = target
        self._table = table
        self._began: int | None = None
        self._unproven: set[RowKey] = set()
        self._log = get_logger("rowcast.delivery")

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """As `Target.deliver`, for at least one row.

        A row that is gone, or of which a newer state is on its way, is `stale`: whatever there is of it that is not
        newer is removed.
        """
        results: dict[RowKey, Result] = {}
        news = list(batch)
        old = [one for one in batch if not one.deleted and (one.row in self._unproven or await self._old(one))]
        if old:
            results |= await self._judge(old)
            news = [one for one in batch if one.row not in results]
        if news:
            results |= await self._target.deliver(news)
        self._unproven.difference_update(one.row for one in batch if isinstance(results[one.row], Delivered))
        made = [one for one in news if not one.deleted and _is_new(results[one.row])]
        if made:
            results |= await self._prove(made)
        return results

    async def _old(self, desired: Desired) -> bool:
        """Whether a change is older than this instance, which begins with the first event that it is given."""
        if self._began is None:
            self._began = (await find(self._table, [desired.row_id])).lsn
        return desired.lsn <= self._began

    async def _judge(self, old: Sequence[Desired]) -> dict[RowKey, Result]:
        """The results of those events that are not to be delivered."""
        try:
            found = await find(self._table, (one.row_id for one in old))
        except TransientError as error:
            return {one.row: Failed(error) for one in old}
        return await self._take_back(old, found) | {
            one.row: Delivered(Outcome.STALE)
            for one in old
            # What is newer has its own event, which has come or will come.
            if one.row_id in found.rows and found.rows[one.row_id].generation > one.generation
        }

    async def _prove(self, made: Sequence[Desired]) -> dict[RowKey, Result]:
        self._unproven.update(one.row for one in made)
        try:
            found = await find(self._table, (one.row_id for one in made))
            results = await self._take_back(made, found) | await self._move_on(made, found)
        except TransientError as error:
            return {one.row: Failed(error) for one in made}
        self._unproven.difference_update(one.row for one in made if not isinstance(results.get(one.row), Failed))
        return results

    async def _move_on(self, made: Iterable[Desired], found: Found) -> dict[RowKey, Result]:
        """Deliver rows that the table has in another environment by now: it is that place which may guard them."""
        newer = [
            replace(found.rows[one.row_id], authoritative=True, supersedes=one.generation)
            for one in made
            if one.row_id in found.rows and _has_left(one, found.rows[one.row_id])
        ]
        results = await self._target.deliver(newer) if newer else {}
        return {
            row: Delivered(Outcome.STALE) if isinstance(result, Delivered) else result
            for row, result in results.items()
        }

    async def _take_back(self, believed: Iterable[Desired], found: Found) -> dict[RowKey, Result]:
        """Remove what there is of rows that are gone; the results of these, and of those that can't be told yet."""
        results: dict[RowKey, Result] = {}
        gone = []
        for one in believed:
            try:
                if found.gone(one.row_id, one.transaction):
                    gone.append(replace(one, manifests=(), authoritative=True, lsn=found.lsn))
            except TransientError as error:
                results[one.row] = Failed(error)
        if gone:
            told = [f"{one.row_id}@{one.generation}" for one in gone[:ROWS_IN_A_LOG_LINE]]
            self._log.info("the table has these rows no more", count=len(gone), rows=told)
            for row, result in (await self._target.deliver(gone)).items():
                results[row] = Delivered(Outcome.STALE) if isinstance(result, Delivered) else result
        return results


def _is_new(result: Result) -> bool:
    return isinstance(result, Delivered) and result.new


def _has_left(made: Desired, current: Desired) -> bool:
    return current.generation > made.generation and current.environment != made.environment
