"""What Prometheus sees of a sync instance."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rowcast.core.outcomes import Outcome


class SyncMetrics:
    """Counters and gauges of one instance; every series carries the target."""

    def __init__(self, target: str, registry: CollectorRegistry) -> None:
        self._target = target
        self._changes = Counter(
            "rowcast_sync_changes", "Change events by what became of them.", ["target", "outcome"], registry=registry
        )
        self._errors = Counter("rowcast_sync_errors", "Failures by class.", ["target", "class"], registry=registry)
        self._retrying = Gauge(
            "rowcast_sync_retrying_rows",
            "Rows of the last batch that must be delivered again.",
            ["target"],
            registry=registry,
        )
        self._seconds = Histogram(
            "rowcast_sync_delivery_seconds",
            "Time to deliver one batch to the target.",
            ["target"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        for outcome in Outcome:
            self._changes.labels(target, outcome)
        for kind in ("transient", "permanent", "bug"):
            self._errors.labels(target, kind)
        self._retrying.labels(target).set(0)

    def outcome(self, outcome: Outcome, count: int = 1) -> None:
        """Count events by outcome."""
        self._changes.labels(self._target, outcome).inc(count)

    def error(self, kind: str, count: int = 1) -> None:
        """Count failures: transient, permanent or bug."""
        self._errors.labels(self._target, kind).inc(count)

    def batch(self, seconds: float, retrying: int) -> None:
        """Record a batch: how long it took, and how many rows must come again."""
        self._seconds.labels(self._target).observe(seconds)
        self._retrying.labels(self._target).set(retrying)
