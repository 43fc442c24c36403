"""A table that instances read, of rows as they are to be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from rowcast.core.errors import TransientError
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.sync.table.rows import Snapshot

BEGAN = 0
"""The place in the log at which instances begin: all events are later, and none is doubted for its age."""


class Rows:
    """A table that is read; `away` is why it can't be."""

    def __init__(self, rows: Iterable[Desired]) -> None:
        self.rows = {one.row: one for one in rows}
        self.away: str | None = None

    @asynccontextmanager
    async def snapshot(self, rows: Sequence[RowKey] = ()) -> AsyncIterator[Snapshot]:
        if self.away:
            raise TransientError(self.away)
        found = [one for key, one in self.rows.items() if not rows or key in rows]

        async def each() -> AsyncIterator[Desired]:
            for one in found:
                yield one

        yield Snapshot(BEGAN, len(found), each())
