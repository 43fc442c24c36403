"""What Prometheus sees of a sync instance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rowcast.core.events import Change, Op
from rowcast.core.outcomes import Outcome
from rowcast.core.reconcile import Kind
from rowcast.core.render import Desired
from rowcast.sync.facts import Facts
from rowcast.sync.reconcile.run import Run, State

_WAY = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_NEWS = frozenset({Outcome.CREATED, Outcome.CONFIGURED, Outcome.DELETED})


class SyncMetrics:
    """Counters and gauges of one instance; every series carries the target."""

    def __init__(self, target: str, registry: CollectorRegistry) -> None:
        self._target = target
        self._changes = Counter(
            "rowcast_sync_changes", "Change events by what became of them.", ["target", "outcome"], registry=registry
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
            self._changes.labels(target, outcome)
        for kind in ("transient", "permanent", "bug"):
            self._errors.labels(target, kind)

    def outcome(self, outcome: Outcome, count: int = 1) -> None:
        """Count events by outcome."""
        self._changes.labels(self._target, outcome).inc(count)

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


class ReconcileMetrics:
    """What Prometheus sees of the reconciles of one instance."""

    def __init__(self, target: str, registry: CollectorRegistry) -> None:
        self._target = target
        names, seconds = ["target"], (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
        self._ended = Gauge(
            "rowcast_reconcile_last_success_timestamp_seconds",
            "When the table and the target were last compared as a whole.",
            names,
            registry=registry,
        )
        self._seconds = Histogram(
            "rowcast_reconcile_seconds", "How long a reconcile took.", names, buckets=seconds, registry=registry
        )
        self._runs = Counter(
            "rowcast_reconciles", "Reconciles by how they ended.", ["target", "state"], registry=registry
        )
        self._found = Gauge(
            "rowcast_reconcile_differences", "What the last comparison found.", ["target", "kind"], registry=registry
        )
        self._outcomes = Counter(
            "rowcast_reconcile_rows",
            "Rows that a reconcile or drift had delivered, by outcome.",
            ["target", "outcome"],
            registry=registry,
        )
        self._drift = Counter(
            "rowcast_drift", "Rows that somebody else touched at the target.", names, registry=registry
        )
        self._late = Counter(
            "rowcast_late_rows",
            "Rows whose change had not been told in time, delivered from the table, by outcome: unchanged where it was"
            " only not told.",
            ["target", "outcome"],
            registry=registry,
        )
        for kind in Kind:
            self._found.labels(target, kind).set(0)
        for state in (State.DONE, State.REFUSED, State.FAILED):
            self._runs.labels(target, state)
        self._drift.labels(target)

    def ended(self, run: Run, seconds: float) -> None:
        """Record a reconcile that has ended."""
        self._runs.labels(self._target, run.state).inc()
        self._seconds.labels(self._target).observe(seconds)
        if run.state is State.DONE:
            self._ended.labels(self._target).set_to_current_time()
        if run.plan is not None:
            for kind, count in run.plan.counts().items():
                self._found.labels(self._target, kind).set(count)

    def outcome(self, outcome: str) -> None:
        """Count a row that was delivered."""
        self._outcomes.labels(self._target, outcome).inc()

    def late(self, outcome: str) -> None:
        """Count a row that was late."""
        self._late.labels(self._target, outcome).inc()

    def drift(self) -> None:
        """Count a row that somebody else touched."""
        self._drift.labels(self._target).inc()


class GitOpsMetrics:
    """What a GitOps engine is asked for, and what it has not done yet."""

    def __init__(self, target: str, registry: CollectorRegistry) -> None:
        self._target = target
        self._refreshes = Counter(
            "rowcast_gitops_refreshes",
            "Requests to the GitOps engine to look at the repository, after a push.",
            ["target", "outcome"],
            registry=registry,
        )
        self._pending = Gauge(
            "rowcast_gitops_pending_rows",
            "Rows that are committed, and that the GitOps engine has not applied yet (1,000: as many or more).",
            ["target"],
            registry=registry,
        )

    def refreshed(self, outcome: str) -> None:
        """`asked` or `failed`."""
        self._refreshes.labels(self._target, outcome).inc()

    def pending(self, rows: int) -> None:
        """How many rows wait."""
        self._pending.labels(self._target).set(rows)
