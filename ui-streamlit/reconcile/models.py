"""What the dashboard knows of reconciles, and the port through which it asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

RunState = Literal["reading", "delivering", "done", "refused", "failed"]
Kind = Literal["missing", "different", "orphaned"]


@dataclass(frozen=True)
class Difference:
    """One row that is not at the target as the table has it; `diff` is a unified one, where there is one."""

    kind: Kind
    row: str
    generation: int
    name: str
    environment: str
    why: str
    diff: str | None = None


@dataclass(frozen=True)
class Run:
    """One reconcile; `done` of `total` rows are dealt with, `plan` may hold fewer than `counts` counts."""

    trigger: str
    dry_run: bool
    state: RunState
    started_at: datetime
    finished_at: datetime | None = None
    done: int = 0
    total: int = 0
    error: str | None = None
    in_table: int | None = None
    in_inventory: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    plan: tuple[Difference, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class TargetRuns:
    """What one target is at and had last; `unavailable` says why that isn't known."""

    target: str
    current: Run | None = None
    last: Run | None = None
    unavailable: str | None = None


class Reconciles(Protocol):
    """Reconciles. Every call may raise UnavailableError or RefusedError."""

    def reconciles(self) -> tuple[TargetRuns, ...]:
        """Return how it is at each target."""
        ...

    def reconcile(self, target: str, *, dry_run: bool, prune_limit: float | None = None) -> Run:
        """Start one and return it. `prune_limit` is the share (0 to 1) that may be pruned; None for the setting's."""
        ...
