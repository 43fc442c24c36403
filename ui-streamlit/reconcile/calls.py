"""`/reconciles`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from client.sending import Sending
from reconcile.models import Difference, Run, TargetRuns


class ReconcileCalls(Sending):
    """The calls of the page Reconcile."""

    def reconciles(self) -> tuple[TargetRuns, ...]:
        """Return how it is at each target."""
        return tuple(_target(one) for one in self._send("GET", "/reconciles")["targets"])

    def reconcile(self, target: str, *, dry_run: bool, prune_limit: float | None = None) -> Run:
        """Start one and return it."""
        return run(self._send("POST", f"/reconciles/{target}", body={"dry_run": dry_run, "prune_limit": prune_limit}))


def run(content: Mapping[str, Any]) -> Run:
    """Return one reconcile."""
    failed = content.get("failed") or ()
    return Run(
        trigger=content["trigger"],
        dry_run=content["dry_run"],
        state=content["state"],
        started_at=_moment(content["started_at"]),
        finished_at=_moment(content["finished_at"]) if content.get("finished_at") else None,
        done=content["progress"]["done"],
        total=content["progress"]["total"],
        error=content.get("error"),
        in_table=content.get("in_table"),
        in_inventory=content.get("in_inventory"),
        counts=content.get("differences") or {},
        plan=tuple(_difference(one) for one in content.get("plan") or ()),
        outcomes=content.get("outcomes") or {},
        skipped=content.get("skipped", 0),
        failed=tuple(failed) if isinstance(failed, list) else (),
    )


def _target(content: Mapping[str, Any]) -> TargetRuns:
    current, last = content.get("current"), content.get("last")
    return TargetRuns(
        content["target"],
        run(current) if current else None,
        run(last) if last else None,
        content.get("unavailable"),
    )


def _difference(content: Mapping[str, Any]) -> Difference:
    return Difference(
        kind=content["kind"],
        row=f"{content['renderer']}/{content['key']}",
        generation=content["generation"],
        name=content["name"],
        environment=content["environment"],
        why=content["why"],
        diff=content.get("diff"),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
