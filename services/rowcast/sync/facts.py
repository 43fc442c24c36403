"""What one instance knows of its own work: what is under way, what is tried again and since when, what came last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rowcast.core.events import Change
from rowcast.core.ports import RowKey
from rowcast.sync.flow import Flow
from rowcast.sync.retries import Retries

FORGET = timedelta(seconds=60)
"""A retry that hasn't come again for so long went to another instance: the sidecar's longest pause is 5 s."""
OFFSET_DIGITS = 19
NO_ROW: RowKey = ("", 0)
"""Stands for what has no row: an event that cannot be read and whose dead letter cannot be published."""


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _Retry:
    since: datetime
    last: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """Rows whose last delivery failed for a reason that passes: how many, and since when and why the first of them."""

    rows: int
    since: datetime | None = None
    error: str | None = None


@dataclass(slots=True)
class _Partition:
    offset: int
    lsn: int


@dataclass(slots=True)
class Facts:
    """Told by the delivery, asked by `GET /facts` and Prometheus. Lives as long as the instance."""

    clock: Callable[[], datetime] = utc_now
    retries: Retries | None = None
    flow: Flow = field(default_factory=Flow)
    batches: dict[int, tuple[datetime, int]] = field(default_factory=dict)
    events: int = 0
    last_event: dict[str, Any] | None = None
    last_error: dict[str, Any] | None = None
    last_bug_at: datetime | None = None
    topic_recreated_at: datetime | None = None
    _number: int = 0
    _retries: dict[RowKey, _Retry] = field(default_factory=dict)
    _partitions: dict[tuple[str | None, str], _Partition] = field(default_factory=dict)

    def began(self, events: int) -> int:
        """A batch has come; the number is for `ended`."""
        self._number += 1
        self.events += events
        self.batches[self._number] = (self.clock(), events)
        return self._number

    def ended(self, number: int) -> None:
        """The batch was answered."""
        self.batches.pop(number, None)

    def received(self, change: Change, position: Mapping[str, str]) -> None:
        """A change was read. A broker that has positions shows by them whether its topic was made anew."""
        now = self.clock()
        self.flow.received(change)
        self.last_event = {
            "row_id": change.row.id,
            "generation": change.row.generation,
            "saved_at": change.saved_at,
            "captured_at": now.isoformat(timespec="microseconds"),
        }
        # Replays come by a topic of their own, whose places say nothing of the other's.
        offset, partition = position.get("__offset", ""), (position.get("__topic"), position.get("__partition", "0"))
        if not (offset.isascii() and offset.isdigit() and len(offset) <= OFFSET_DIGITS):
            return
        seen = self._partitions.setdefault(partition, _Partition(int(offset), change.lsn))
        if int(offset) <= seen.offset and change.lsn > seen.lsn:
            # What the broker brings twice has been seen, and so has its LSN. News at an old place: another topic.
            self.topic_recreated_at = now
            self._partitions.clear()
        seen.offset, seen.lsn = max(seen.offset, int(offset)), max(seen.lsn, change.lsn)

    def settled(self, rows: Iterable[RowKey]) -> None:
        """These rows need not come again."""
        for row in rows:
            self._retries.pop(row, None)

    def retried(self, rows: Iterable[RowKey], error: str) -> None:
        """These rows must come again."""
        now = self.clock()
        for row in rows:
            retry = self._retries.setdefault(row, _Retry(now, now, error))
            retry.last, retry.error = now, error

    def failed(self, kind: str, error: str) -> None:
        """Something went wrong: transient, permanent or bug."""
        now = self.clock()
        self.last_error = {"class": kind, "error": error, "at": now.isoformat(timespec="microseconds")}
        if kind == "bug":
            self.last_bug_at = now

    def retrying(self) -> Retrying:
        """What is tried again now."""
        late = self.clock() - FORGET
        for row in [row for row, retry in self._retries.items() if retry.last < late]:
            del self._retries[row]
        waiting = list(self.retries.waiting()) if self.retries is not None else []
        trouble = [(retry.since, retry.error) for retry in self._retries.values()]
        trouble += [(one.since, one.error) for one in waiting]
        if not trouble:
            return Retrying(0)
        since, error = min(trouble)
        return Retrying(len(trouble), since, error)

    def in_flight_since(self) -> datetime | None:
        """When the batch came that has waited longest for its answer."""
        return min((since for since, _ in self.batches.values()), default=None)
