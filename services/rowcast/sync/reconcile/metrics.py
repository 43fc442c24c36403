"""What Prometheus sees of reconciles."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rowcast.core.reconcile import Kind
from rowcast.core.row import APP_CONFIGS
from rowcast.sync.reconcile.run import Run, State


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
            ["target", "renderer", "outcome"],
            registry=registry,
        )
        self._drift = Counter(
            "rowcast_drift", "Rows that somebody else touched at the target.", ["target", "renderer"], registry=registry
        )
        self._late = Counter(
            "rowcast_late_rows",
            "Rows whose change had not been told in time, delivered from the table, by outcome: unchanged where it was"
            " only not told.",
            ["target", "renderer", "outcome"],
            registry=registry,
        )
        for kind in Kind:
            self._found.labels(target, kind).set(0)
        for state in (State.DONE, State.REFUSED, State.FAILED):
            self._runs.labels(target, state)
        self._drift.labels(target, APP_CONFIGS)

    def ended(self, run: Run, seconds: float) -> None:
        """Record a reconcile that has ended."""
        self._runs.labels(self._target, run.state).inc()
        self._seconds.labels(self._target).observe(seconds)
        if run.state is State.DONE:
            self._ended.labels(self._target).set_to_current_time()
        if run.plan is not None:
            for kind, count in run.plan.counts().items():
                self._found.labels(self._target, kind).set(count)

    def outcome(self, renderer: str, outcome: str) -> None:
        """Count a renderer's row that was delivered."""
        self._outcomes.labels(self._target, renderer, outcome).inc()

    def late(self, renderer: str, outcome: str) -> None:
        """Count a renderer's row that was late."""
        self._late.labels(self._target, renderer, outcome).inc()

    def drift(self, renderer: str) -> None:
        """Count a renderer's row that somebody else touched."""
        self._drift.labels(self._target, renderer).inc()
