"""From reconciles to what their page shows: pure, with the time of looking passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from reconcile.models import Difference, Kind, Run
from shared.formatting import ago, duration

Colour = Literal["green", "orange", "red"]

VERBS: Final[Mapping[Kind, str]] = {"missing": "create", "different": "correct", "orphaned": "prune"}
COLOURS: Final[Mapping[str, Colour]] = {"create": "green", "correct": "orange", "prune": "red"}
MEANINGS: Final[Mapping[Kind, str]] = {
    "missing": "In the table, and not at the target",
    "different": "At both, and not the same",
    "orphaned": "At the target, and not in the table",
}
TRIGGERS: Final[Mapping[str, str]] = {"request": "on request", "period": "by the clock", "snapshot": "after a snapshot"}


def progress(run: Run) -> float:
    """Return the share that is done, 0 to 1."""
    return min(1.0, run.done / run.total) if run.total else 0.0


def doing(run: Run) -> str:
    """Return what a run is at, in words."""
    what = "Putting right" if run.state == "delivering" else "Comparing"
    if not run.total:
        return f"{what}: reading the table and what the target holds"
    return f"{what}: {run.done:,} of {run.total:,} {'differences' if run.state == 'delivering' else 'rows'}"


def headline(run: Run, now: datetime) -> str:
    """Return what a run that has ended was, and how it ended."""
    kind = "Dry run" if run.dry_run else "Reconcile"
    trigger = TRIGGERS.get(run.trigger, run.trigger)
    took = f", in {duration(run.finished_at - run.started_at)}" if run.finished_at else ""
    return f"{kind} {trigger}, {ago(run.finished_at or run.started_at, now)}{took}"


def in_sync(run: Run) -> bool:
    """Whether nothing differs."""
    return run.state == "done" and not any(run.counts.values())


def compared(run: Run) -> str:
    """Return what was compared with what."""
    if run.in_table is None or run.in_inventory is None:
        return ""
    return f"{run.in_table:,} rows in the table, {run.in_inventory:,} at the target"


def done(run: Run) -> str:
    """Return what a run that was no dry run has done, in words."""
    parts = [f"{count:,} {outcome}" for outcome, count in sorted(run.outcomes.items()) if count]
    if run.skipped:
        parts.append(f"{run.skipped:,} had changed meanwhile")
    return ", ".join(parts) or "nothing had to be done"


def plan_table(plan: Sequence[Difference]) -> Mapping[str, Sequence[Any]]:
    """Return the plan as columns of equal length."""
    return {
        "Action": [[VERBS[one.kind]] for one in plan],
        "Configuration": [one.name for one in plan],
        "Environment": [one.environment for one in plan],
        "Row": [f"{one.row}, generation {one.generation}" for one in plan],
        "Why": [one.why for one in plan],
    }


def intention(run: Run) -> str:
    """Return what running the plan will do, in words for the one who confirms it."""
    parts = [f"{VERBS[kind]} {run.counts.get(kind, 0):,}" for kind in VERBS if run.counts.get(kind)]
    return ", ".join(parts) or "change nothing"
