"""What became of a row since an old event: asked of the table before the event is believed.

A target that keeps its fence on the object has none for a row that is gone, and what an instance remembers of deletions
ends with it. So an event that is older than the instance may tell of a row that was deleted before: delivered twice
around a restart, held by a broker, or replayed from the dead letters. For those the table is read; events that are
younger than the instance, which in quiet times are all, cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rowcast.core.ports import RowKey
from rowcast.core.render import Desired
from rowcast.sync.reconcile.table import TABLE, Table

ROWS_A_READ = 200


class Hindsight:
    """Knows the log's place at which this instance began, and asks the table about whatever is older."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._began: int | None = None

    async def overtaken(self, desired: Sequence[Desired]) -> set[RowKey]:
        """The rows of old events in `desired` (at least one) that the table has no longer, or at a higher generation.

        What is newer has its own event, which has come or will come, so nothing is lost by passing over the older one.
        Raises TransientError while the table can't be read.
        """
        began = await self._beginning(desired[0].row_id)
        old = {(one.table, one.row_id): one for one in desired if one.lsn <= began and not one.deleted}
        generations = await self._generations([row_id for _, row_id in old])
        return {row for row, one in old.items() if generations.get(row[1], one.generation + 1) > one.generation}

    async def _beginning(self, some_row_id: int) -> int:
        if self._began is None:
            async with self._table.snapshot((some_row_id,)) as snapshot:
                self._began = snapshot.lsn
        return self._began

    async def _generations(self, row_ids: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        waiting = iter(row_ids)
        while some := list(islice(waiting, ROWS_A_READ)):
            async with self._table.snapshot(some) as snapshot:
                found |= {row.row_id: row.generation async for row in snapshot.rows if row.table == TABLE}
        return found
