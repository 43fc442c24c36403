"""How far the events of changes have come by this instance: it tells a row whose event is lost from one in a backlog.

Events pass nearly in the order of their commits. So while they flow, a row that changed before what has passed already
should have come, and one that changed later is on its way. When none has come for a while, nothing is on its way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from rowcast.core.events import Change, Op

APART = 0.25
"""Seconds between two marks that are kept."""
KEPT = 1_000
"""Marks, which is some minutes of them."""
NOTHING = datetime.min.replace(tzinfo=UTC)
EVERYTHING = datetime.max.replace(tzinfo=UTC)


class Flow:
    """Told of each change that is received. Times are the database's, read from the rows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._newest = NOTHING
        self._marks: deque[tuple[float, datetime]] = deque(maxlen=KEPT)

    def received(self, change: Change) -> None:
        """A change has come. A snapshot's rows are in no order: they only say that there are events."""
        now = self._last = self._clock()
        if change.op is Op.READ:
            return
        self._newest = max(self._newest, moment(change.state.updated_at))
        if self._marks and now - self._marks[-1][0] < APART:
            return
        self._marks.append((now, self._newest))

    def newest(self) -> datetime:
        """The latest change that has come by."""
        return self._newest

    def passed(self, seconds: float) -> datetime:
        """Rows that changed before this came by longer than `seconds` ago, if their events are to come at all.

        Any row, when nothing has come for so long.
        """
        now = self._clock()
        if self._last is None or now - self._last >= seconds:
            return EVERYTHING
        return max((newest for at, newest in self._marks if now - at >= seconds), default=NOTHING)


def moment(text: str) -> datetime:
    """When a row was changed, as it says itself; NOTHING where that is no moment."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return NOTHING
    return read if read.tzinfo else NOTHING
