"""The part of a trace that runs through sync: one span for each change, though changes come and go in batches."""

from __future__ import annotations

from datetime import datetime

from rowcast.core.events import Change
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.tracing import Attributes, Tracing, now, sampled


class BatchSpans:
    """Of the changes of one batch, those that belong to a trace. Times are those of the batch: its rows share them."""

    def __init__(self, tracing: Tracing, target: str, step: str, events: int) -> None:
        """`step` names the span of the delivery itself."""
        self._tracing = tracing
        self._target = target
        self._step = step
        self._events = events
        self._received = self._rendered = self._delivered = now()
        self._changes: dict[RowKey, list[Change]] = {}

    def follow(self, change: Change) -> None:
        """A change of the batch was read."""
        if sampled(change.traceparent):
            self._changes.setdefault(change.row, []).append(change)

    def rendered(self) -> None:
        """Every change was rendered."""
        self._rendered = now()

    def delivered(self) -> None:
        """The target has answered."""
        self._delivered = now()

    def settled(self, desired: Desired, outcome: str, reference: str | None, error: str | None) -> str | None:
        """What became of a row. The `traceparent` for what follows from it, if its change belongs to a trace."""
        following = None
        for change in self._changes.get(desired.row, ()):
            newest = change.order == (desired.generation, desired.deleted)
            told: dict[str, str | int | bool] = {
                "rowcast.target": self._target,
                "rowcast.renderer": change.row.renderer,
                "rowcast.key": change.row.key,
                "rowcast.name": change.state.name,
                "rowcast.generation": change.state.generation,
                # What a newer change of the same batch overtook was never delivered by itself.
                "rowcast.outcome": outcome if newest else "stale",
                "rowcast.batch_events": self._events,
            }
            if newest and reference is not None:
                told["rowcast.reference"] = reference
            if newest and error is not None:
                told["rowcast.error"] = error
            span = self._record(change, told)
            following = span if newest else following
        return following

    def _record(self, change: Change, told: Attributes) -> str:
        parent, tracing = change.traceparent or "", self._tracing
        saved = _seconds(change.saved_at)
        if saved is not None:
            capture: Attributes = {"rowcast.target": self._target, "rowcast.lsn": change.lsn}
            tracing.record("capture", parent, min(saved, self._received), self._received, capture)
        span = tracing.record(f"deliver to {self._target}", parent, self._received, now(), told, "consumer")
        tracing.record("render", span, self._received, self._rendered)
        tracing.record(self._step, span, self._rendered, self._delivered)
        return span


def _seconds(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
