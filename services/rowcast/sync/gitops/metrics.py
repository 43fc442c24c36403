"""What Prometheus sees of a GitOps engine."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


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
