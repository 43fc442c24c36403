"""What Prometheus sees of capture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rowcast.capture.facts import Condition, State
from rowcast.capture.publisher import Progress


class CaptureMetrics(Collector):
    """Reads the condition and the progress whenever it is asked."""

    def __init__(
        self, condition: Condition, progress: Progress, now: Callable[[], datetime], registry: CollectorRegistry
    ) -> None:
        self._condition = condition
        self._progress = progress
        self._now = now
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Every family, whether it has a value now or not."""
        return self._families(always=True)

    def collect(self) -> Iterable[Metric]:
        """What is known now."""
        return self._families(always=False)

    def _families(self, *, always: bool) -> Iterable[Metric]:
        condition, progress = self._condition, self._progress
        prefix = "rowcast_capture"
        for name, text, count in (
            ("published", "Events that the broker has taken.", progress.published),
            ("refused", "Attempts to publish that the broker or the sidecar didn't take.", progress.refused),
            ("dead_lettered", "Events that are larger than the broker takes.", progress.dead_lettered),
            ("engine_starts", "How often Debezium's engine was started.", condition.starts),
        ):
            yield CounterMetricFamily(f"{prefix}_{name}", text, value=count)
        running = condition.state is State.RUNNING
        yield GaugeMetricFamily(f"{prefix}_running", "1 if the engine reads the log or the table.", value=running)
        yield GaugeMetricFamily(
            f"{prefix}_snapshot", "1 while the whole table is read.", value=running and condition.snapshot
        )
        waiting = progress.waiting(self._now())
        for name, text, value in (
            ("lsn", "The place in the log up to which everything is published.", condition.lsn),
            (
                "last_published_timestamp_seconds",
                "When the broker took the last event.",
                progress.last_published_at and progress.last_published_at.timestamp(),
            ),
            (
                "waiting_since_timestamp_seconds",
                "Since when an event waits to be taken by the broker; absent if none does.",
                waiting and waiting.since.timestamp(),
            ),
        ):
            if always or value is not None:
                yield GaugeMetricFamily(f"{prefix}_{name}", text, value=value or 0)
