"""Activity, pipeline and reconciles in memory, as far as their pages need them: for tests, and to design against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from activity.models import Activity, ActivityPage, ActivityQuery, AuditEntry, AuditPage, AuditQuery
from client.errors import MissingError, RefusedError
from pipeline.models import Pipeline, Station
from reconcile.models import Run, TargetRuns

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def healthy() -> Pipeline:
    """Return a way on which all is well."""
    names = (
        ("database", "PostgreSQL"),
        ("rows", "Rows"),
        ("dead-letters", "Dead letters"),
        ("slot", "Replication slot"),
        ("connect", "Kafka Connect"),
        ("connector", "Debezium connector"),
        ("broker", "Kafka"),
        ("sidecar", "crud's Dapr sidecar"),
        ("sync-k8s", "sync to k8s"),
        ("target-k8s", "Kubernetes API"),
        ("sync-git", "sync to git"),
        ("target-git", "Git repository"),
        ("access", "Who may do what"),
    )
    return Pipeline("ok", NOW, tuple(Station(name, title, "ok") for name, title in names))


def captured_by_engine(**broker: Any) -> Pipeline:
    """Return the same with `rowcast capture` and Redis in the place of Connect and Kafka; `broker` are its facts."""
    capture = Station("capture", "Change capture", "ok", facts={"version": "3.6.3.Final", "published": 9})
    facts = {"kind": "redis", "version": "7.2.5", "topics": [], **broker}
    stations = {one.name: one for one in healthy().stations if one.name not in ("connect", "connector")}
    stations["broker"] = Station("broker", "Redis Streams", "ok", facts=facts)
    way = [stations.pop(name) for name in ("database", "rows", "dead-letters", "slot")]
    return Pipeline("ok", NOW, (*way, capture, *stations.values()))


def with_station(pipeline: Pipeline, name: str, **changes: Any) -> Pipeline:
    """Return the way with one station changed, its state the station's if that is worse."""
    stations = tuple(replace(one, **changes) if one.name == name else one for one in pipeline.stations)
    order = ("down", "degraded", "unknown", "ok")
    return Pipeline(min((one.state for one in stations), key=order.index), pipeline.checked_at, stations)


def with_tenants() -> Pipeline:
    """Return a way on which the rows of a table that isn't ours go, too; it was changed, and some rows wait."""
    git = {"oldest_pending_row": "tenants/acme", "oldest_pending_seconds": 61.2}
    theirs = {"rows": 1200, "pending": 2, "failed": 1, "deletions": {"pending": 3}, "targets": {"git": git}}
    ours = {"rows": 7, "pending": 0, "failed": 0, "deletions": {"pending": 0}, "targets": {}}
    rows = {"rows": 1207, "pending": 2, "by_renderer": {"appconfigs": ours, "tenants": theirs}}
    faults = ["there is no table public.tenants any more"]
    tables = {"renderers": {"tenants": {"table": "public.tenants", "revision": 2, "faults": faults}}}
    letters = {"open": 4, "by_renderer": {"tenants": {"open": 4}}}
    way = with_station(with_station(healthy(), "rows", facts=rows), "dead-letters", facts=letters)
    sources = Station("sources", "Tables of renderers", "degraded", f"tenants: {faults[0]}", facts=tables)
    return replace(way, state="degraded", stations=(way.stations[0], sources, *way.stations[1:]))


@dataclass
class Operations:
    """What the fakes tell, and what they were asked to do."""

    pipeline: Pipeline = field(default_factory=healthy)
    activity: tuple[Activity, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    runs: dict[str, TargetRuns] = field(default_factory=lambda: {name: TargetRuns(name) for name in ("k8s", "git")})
    started: list[tuple[str, bool, float | None]] = field(default_factory=list)
    vouched: bool = False


class FakeOperations:
    """What CrudClient does for these pages."""

    def _operations(self) -> Operations:
        raise NotImplementedError

    def _reach(self) -> None:
        raise NotImplementedError

    def pipeline(self) -> Pipeline:
        """Return every station."""
        self._reach()
        return self._operations().pipeline

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """Return one page of the changes that match."""
        self._reach()
        found = [
            item
            for item in self._operations().activity
            if query.person in ("", item.changed_by)
            and query.name in item.name
            and query.change in ("", item.change)
            and (not query.outcome or query.outcome in item.outcomes.values())
        ]
        start = int(query.cursor or 0)
        end = start + query.limit
        return ActivityPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    def audit(self, query: AuditQuery) -> AuditPage:
        """Return one page of the audit's entries that match."""
        self._reach()
        found = [
            entry
            for entry in self._operations().audit
            if query.person in ("", entry.person, entry.subject)
            and query.renderer in ("", entry.renderer)
            and query.outcome in ("", entry.outcome)
            and query.request_id in ("", entry.request_id)
            and (not query.environment or query.environment in entry.environments)
        ]
        start = int(query.cursor or 0)
        end = start + query.limit
        return AuditPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    def people(self) -> tuple[str, ...]:
        """Return who has changed something, the last one first."""
        self._reach()
        return tuple(dict.fromkeys(item.changed_by for item in self._operations().activity))

    def reconciles(self) -> tuple[TargetRuns, ...]:
        """Return how it is at each target."""
        self._reach()
        return tuple(self._operations().runs.values())

    def reconcile(self, target: str, *, dry_run: bool, prune_limit: float | None = None) -> Run:
        """Start one, which goes on until a test ends it."""
        self._reach()
        operations = self._operations()
        if target not in operations.runs:
            raise MissingError(404, "Not Found", f"there is no target {target}")
        if operations.runs[target].current:
            raise RefusedError(409, "Conflict", "a reconcile is running")
        operations.started.append((target, dry_run, prune_limit))
        run = Run("request", dry_run, "reading", NOW)
        operations.runs[target] = replace(operations.runs[target], current=run)
        return run
