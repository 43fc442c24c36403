"""One reconcile, as it goes on and as it is told about."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rowcast.core.outcomes import Outcome
from rowcast.core.reconcile import ReconcilePlan
from rowcast.core.row import identity
from rowcast.sync.clock import now

SHOWN = 1000
"""Differences, and failures, that an answer lists; it counts all of them."""


class State(StrEnum):
    """Where a reconcile is, or how it ended."""

    READING = "reading"
    DELIVERING = "delivering"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(slots=True)
class Run:
    """`done` counts the rows that were dealt with, of `total`; `skipped` those that changed meanwhile."""

    trigger: str
    dry_run: bool
    state: State = State.READING
    started_at: str = field(default_factory=now)
    finished_at: str | None = None
    done: int = 0
    total: int = 0
    skipped: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    failures: int = 0
    failed: list[str] = field(default_factory=list)
    """The first of the rows that could not be delivered, and why."""
    error: str | None = None
    plan: ReconcilePlan | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.finished_at is not None

    def fail(self, row: str) -> None:
        """Say of a row, in words, that it could not be delivered, and why."""
        self.failures += 1
        if len(self.failed) < SHOWN:
            self.failed.append(row)

    def end(self, state: State, error: str | None = None) -> None:
        """Say how it ended."""
        self.state, self.error, self.finished_at = state, error, now()

    def told(self) -> dict[str, Any]:
        """JSON-able."""
        plan = self.plan
        return {
            "trigger": self.trigger,
            "dry_run": self.dry_run,
            "state": str(self.state),
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "progress": {"done": self.done, "total": self.total},
            "error": self.error,
            "in_table": plan.in_table if plan else None,
            "in_inventory": plan.in_inventory if plan else None,
            "differences": dict(plan.counts()) if plan else None,
            "plan": [_told(one) for one in plan.differences[:SHOWN]] if plan else [],
            "text": list(plan.lines(SHOWN)) if plan else [],
            "outcomes": {str(outcome): count for outcome, count in self.outcomes.items()},
            "skipped": self.skipped,
            "failed": self.failed,
        }


def _told(difference: Any) -> dict[str, Any]:
    left_out = {"row", "rival_lsn", "held"}
    return identity(difference.row) | {
        name: value for name, value in asdict(difference).items() if name not in left_out
    }
