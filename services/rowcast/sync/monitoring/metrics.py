"""What Prometheus sees of a sync instance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rowcast.core.events import Change, Op
from rowcast.core.outcomes import Outcome
from rowcast.core.render import Desired
from rowcast.core.row import APP_CONFIGS
from rowcast.sync.monitoring.facts import Facts

_WAY = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_NEWS = frozenset({Outcome.CREATED, Outcome.CONFIGURED, Outcome.DELETED})


class SyncMetrics:
    """Counters and gauges of one instance; every series carries the target, and what is counted by row its renderer."""

    def __init__(self, target: str, registry: CollectorRegistry) -> None:
        self._target = target
        self._changes = Counter(
            "rowcast_sync_changes",
            "Change events by what became of them; the renderer is empty where an event could not be read.",
            ["target", "renderer", "outcome"],
            registry=registry,
        )
        self._errors = Counter("rowcast_sync_errors", "Failures by class.", ["target", "class"], registry=registry)
        self._seconds = Histogram(
            "rowcast_sync_delivery_seconds",
            "Time to deliver one batch to the target.",
            ["target"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self._events = Histogram(
            "rowcast_sync_batch_events",
            "Events in a batch.",
            ["target"],
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
            registry=registry,
        )
        self._captured = Histogram(
            "rowcast_sync_capture_seconds",
            "Time from a change's commit in the database to its arrival here, by way of connector and broker.",
            ["target"],
            buckets=_WAY,
            registry=registry,
        )
        self._delivered = Histogram(
            "rowcast_sync_change_seconds",
            "Time from a change's commit in the database to its delivery, where something was to be done.",
            ["target"],
            buckets=_WAY,
            registry=registry,
        )
        for histogram in (self._events, self._captured, self._delivered):
            histogram.labels(target)
        for outcome in Outcome:
            self._changes.labels(target, APP_CONFIGS, outcome)
        for kind in ("transient", "permanent", "bug"):
            self._errors.labels(target, kind)

    def outcome(self, renderer: str, outcome: Outcome, count: int = 1) -> None:
        """Count events of a renderer's rows by outcome."""
        self._changes.labels(self._target, renderer, outcome).inc(count)

    def error(self, kind: str, count: int = 1) -> None:
        """Count failures: transient, permanent or bug."""
        self._errors.labels(self._target, kind).inc(count)

    def batch(self, seconds: float, events: int) -> None:
        """Record a batch: how long it took, and how large it was."""
        self._seconds.labels(self._target).observe(seconds)
        self._events.labels(self._target).observe(events)

    def captured(self, change: Change, at: str) -> None:
        """Record how long a change was on its way; a row of a snapshot was on none."""
        if change.op is not Op.READ:
            _observe(self._captured.labels(self._target), change.saved_at, at)

    def delivered(self, desired: Desired, outcome: Outcome) -> None:
        """Record how long it took until a change was delivered; one that came again or late says nothing of that."""
        if outcome in _NEWS and not desired.authoritative:
            _observe(self._delivered.labels(self._target), desired.saved_at, None)


class WorkMetrics:
    """What Prometheus sees of the work in hand; read from the facts when it asks."""

    def __init__(self, target: str, facts: Facts, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, value: Callable[[], float]) -> None:
            Gauge(f"rowcast_sync_{name}", text, ["target"], registry=registry).labels(target).set_function(value)

        gauge("in_flight_batches", "Batches that are being delivered.", lambda: len(facts.batches))
        gauge(
            "in_flight_since_timestamp_seconds",
            "When the batch came that has been in flight longest; 0 if none is.",
            lambda: _timestamp(facts.in_flight_since()),
        )
        gauge(
            "retrying_rows",
            "Rows whose last delivery failed for a reason that passes; they are tried again.",
            lambda: facts.retrying().rows,
        )
        gauge(
            "retrying_since_timestamp_seconds",
            "When the row that has been retried longest failed first; 0 if there is none.",
            lambda: _timestamp(facts.retrying().since),
        )
        gauge(
            "last_event_timestamp_seconds",
            "When the last change event came; 0 if none has since the start.",
            lambda: _timestamp(_moment(facts.last_event["captured_at"]) if facts.last_event else None),
        )


def _timestamp(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _observe(histogram: Histogram, saved_at: str | None, at: str | None) -> None:
    saved = _moment(saved_at)
    if saved is not None and saved.tzinfo is not None:
        end = _moment(at) or datetime.now(UTC)
        # Clocks of two machines may differ by more than the way takes.
        histogram.observe(max(0.0, (end - saved).total_seconds()))
