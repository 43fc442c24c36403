"""Rows whose delivery failed for a reason that passes: kept here, tried again here, and out of everybody's way.

A broker hands over the next events only when the last ones are answered, and one lock of the sidecar serves all of its
partitions: a row that waited there, because of a webhook that is down or a place that is away, would keep every other
row waiting. So its event is answered, and the row waits here.

That is safe because the table knows that the row has not arrived: its generation is above the one that the target has
reported, or it is among the deletions that are on their way. An instance that starts, and every instance now and then,
asks for such rows (`reconcile/overdue.py`), so that what waited here outlives the process.

Rows that wait for the same cause are tried as a group: first a few of them, and twice as many each time that some
arrive. So five thousand rows behind one webhook cost the target no more than a few requests now and then, and are
through within moments when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rowcast.core.row import RowKey
from rowcast.sync.intake.batch import Entry

CAPACITY = 50_000
"""Rows that wait here at the most, some 3 KB each; the events of others are left with the broker."""
FIRST_SECONDS = 0.2
LONGEST_SECONDS = 5.0
GROUPS = 200
"""Rows with more different causes share the last group: so many at the most are tried every LONGEST_SECONDS."""
FEWEST, MOST = 4, 500
"""Rows of a group that are tried together."""
AT_ONCE = 4
"""Groups that are tried at the same time."""
NEWER = "a newer state of the row has come"
CLAIMED = "another row has what it wants"
"""The cause of such rows, whatever it is that they want: each in a group of its own would be too many groups."""
OTHERS = "other causes"

Order = tuple[int, bool]


@dataclass(slots=True)
class Waiting:
    """The newest event of a row that waits, and why it does."""

    entry: Entry
    order: Order
    error: str
    group: str
    since: datetime
    under_way: bool = False


@dataclass(slots=True)
class _Group:
    """Rows with one cause, those first that have waited longest since their last try."""

    due: float
    rows: dict[RowKey, None] = field(default_factory=dict)
    failures: int = 0
    size: int = FEWEST
    under_way: bool = False


class Retries:
    """The queue. All methods return at once; `run` does the work."""

    def __init__(
        self,
        utc_now: Callable[[], datetime],
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._utc_now = utc_now
        self._capacity = capacity
        self._clock = clock
        self._rows: dict[RowKey, Waiting] = {}
        self._groups: dict[str, _Group] = {}
        self._woken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, row: RowKey) -> Waiting | None:
        """The row as it waits; None if it doesn't."""
        return self._rows.get(row)

    def waiting(self) -> Iterable[Waiting]:
        """All rows that wait."""
        return self._rows.values()

    def hold(self, row: RowKey, order: Order, entry: Entry, error: str, cause: str | None = None) -> Waiting | None:
        """Let a row wait for another try, or a newer state of one that waits take its place.

        Rows of one `cause` are tried together; it is the error's text where nothing else is said. None where there is
        no room for another one.
        """
        cause = cause or error
        known = self._rows.get(row)
        if known is None:
            if len(self._rows) >= self._capacity:
                return None
            known = self._rows[row] = Waiting(entry, order, error, "", self._utc_now())
        elif order < known.order:
            return known
        known.entry, known.order = entry, order
        known.error = known.error if cause == NEWER else error
        self._put(row, known, cause)
        return known

    def renew(self, row: RowKey, order: Order, entry: Entry) -> None:
        """A newer state of a row that waits has come: it may be the one that gets through, and is tried soon."""
        self.hold(row, order, entry, NEWER)

    def release(self, row: RowKey, order: Order) -> None:
        """A state of the row has arrived, or never will: the row waits no more, unless for a newer one."""
        known = self._rows.get(row)
        if known is not None and known.order <= order:
            del self._rows[row]
            self._leave(row, known.group)

    async def run(self, deliver: Callable[[Sequence[Entry]], Awaitable[object]]) -> None:
        """Until cancelled. `deliver` tries events again, and calls `hold` or `release` for the row of each."""
        turns = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await turns.acquire()
                tasks.create_task(self._try(*await self._next(), deliver, turns))

    async def _try(
        self,
        group: str,
        rows: Sequence[RowKey],
        deliver: Callable[[Sequence[Entry]], Awaitable[object]],
        turns: asyncio.Semaphore,
    ) -> None:
        # Since they were chosen, another batch may have settled some.
        orders = {row: self._rows[row].order for row in rows if row in self._rows}
        try:
            # They come from different batches, which number their entries each for itself.
            if orders:
                await deliver([replace(self._rows[row].entry, id=str(n)) for n, row in enumerate(orders)])
        finally:
            turns.release()
            settled = sum(self._has_settled(row, order) for row, order in orders.items())
            self._tried(group, rows, len(rows) - len(orders) + settled)

    def _has_settled(self, row: RowKey, order: Order) -> bool:
        return row not in self._rows or self._rows[row].order > order

    def _tried(self, name: str, rows: Sequence[RowKey], settled: int) -> None:
        for row in rows:
            if row in self._rows:
                self._rows[row].under_way = False
        group = self._groups.get(name)
        if group is None:
            return
        group.under_way = False
        if settled:
            group.size, group.failures, group.due = min(2 * group.size, MOST), 0, self._clock()
        else:
            group.size, group.failures = max(FEWEST, group.size // 2), group.failures + 1
            pause = min(FIRST_SECONDS * 2.0 ** min(group.failures, 16), LONGEST_SECONDS)
            group.due = self._clock() + pause * random.uniform(0.8, 1.0)  # noqa: S311 - not a secret
        self._drop_if_empty(name)
        self._woken.set()

    async def _next(self) -> tuple[str, Sequence[RowKey]]:
        """The group that is due, when one is, and the rows of it to try."""
        while True:
            self._woken.clear()
            idle = [(group.due, name) for name, group in self._groups.items() if not group.under_way]
            due, name = min(idle, default=(None, ""))
            wait = None if due is None else due - self._clock()
            if wait is not None and wait <= 0 and (rows := self._take(name)):
                return name, rows
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait)

    def _take(self, name: str) -> list[RowKey]:
        group = self._groups[name]
        # A row that changed its group while it was being tried is still on its way.
        rows = [row for row, _ in zip(group.rows, range(group.size), strict=False) if not self._rows[row].under_way]
        if not rows:
            group.due = self._clock() + FIRST_SECONDS
            return rows
        group.under_way = True
        for row in rows:
            self._rows[row].under_way = True
            # To the end, so that rows which fail again don't keep others of the group from being tried.
            group.rows[row] = group.rows.pop(row)
        return rows

    def _put(self, row: RowKey, known: Waiting, cause: str) -> None:
        name = cause if cause in self._groups or len(self._groups) < GROUPS else OTHERS
        if name != known.group:
            self._leave(row, known.group)
            known.group = name
        now = self._clock()
        group = self._groups.setdefault(name, _Group(now + FIRST_SECONDS))
        group.rows.setdefault(row)
        if cause == NEWER:
            group.due = now
        self._woken.set()

    def _leave(self, row: RowKey, name: str) -> None:
        if name in self._groups:
            self._groups[name].rows.pop(row, None)
            self._drop_if_empty(name)

    def _drop_if_empty(self, name: str) -> None:
        group = self._groups[name]
        if not group.rows and not group.under_way:
            del self._groups[name]
