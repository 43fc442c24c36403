"""What the dashboard knows of roll-outs, and the port through which it asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

RolloutState = Literal["running", "holding", "paused", "stopped", "aborted", "done", "rolling-back", "rolled-back"]
StepState = Literal["waiting", "assigning", "delivering", "holding", "done"]
RolloutRowState = Literal["failed", "pending", "ready"]
RolloutAction = Literal["pause", "resume", "abort", "rollback"]


@dataclass(frozen=True)
class StepDraft:
    """One step: until so many `rows` or such a `share` (percent) have the revision, or those that `filter` takes."""

    rows: int | None = None
    share: float | None = None
    filter: str | None = None


@dataclass(frozen=True)
class Step(StepDraft):
    """A step and how far it is; `total` is None while nobody knows. `since`: when its state began."""

    state: StepState = "waiting"
    total: int | None = None
    assigned: int = 0
    delivered: int = 0
    ready: int = 0
    failed: int = 0
    since: datetime | None = None


@dataclass(frozen=True)
class RolloutDraft:
    """What to roll out, and how; more than `failure_limit` failed rows stop it.

    `ready_seconds`: after how long a row that is delivered and not ready has failed; None for never. `changed_limit`:
    how many rows may have changed since the impact that the `token` names; None for any number.
    """

    revision: int
    steps: tuple[StepDraft, ...] = ()
    hold_seconds: int = 0
    failure_limit: int = 0
    ready_seconds: int | None = None
    token: str | None = None
    changed_limit: int | None = None


@dataclass(frozen=True)
class Rollout:
    """A roll-out and how far it is. `why` says why it has stopped, or is paused."""

    id: int
    renderer: str
    revision: int
    from_revisions: tuple[int, ...]
    state: RolloutState
    why: str | None
    started_by: str
    started_at: datetime
    changed_at: datetime
    hold_seconds: int
    failure_limit: int
    steps: tuple[Step, ...]
    impact_token: str | None = None
    changed_since: int | None = None
    ready_seconds: int | None = None

    @property
    def under_way(self) -> bool:
        """Whether it goes on by itself, or may yet."""
        return self.state not in ("aborted", "done", "rolled-back")


@dataclass(frozen=True)
class RolloutPage:
    """Some roll-outs, newest first."""

    items: tuple[Rollout, ...]
    next_cursor: str | None = None


@dataclass(frozen=True)
class RolloutRow:
    """A row that was given the revision in a `step`, from 0; `message` is in the words of its `target`."""

    key: str
    step: int
    generation: int
    state: RolloutRowState
    name: str | None = None
    environment: str | None = None
    message: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class RolloutRowPage:
    """Some of these rows, by their keys."""

    items: tuple[RolloutRow, ...]
    next_cursor: str | None = None


class Rollouts(Protocol):
    """Roll-outs of renderers. Every call may raise UnavailableError or RefusedError."""

    def rollouts(self, name: str, cursor: str | None = None, limit: int = 20) -> RolloutPage:
        """Return a part of a renderer's, newest first."""
        ...

    def rollout(self, name: str, number: int) -> Rollout:
        """Return one, or raise MissingError."""
        ...

    def rollout_rows(
        self, name: str, number: int, state: RolloutRowState, cursor: str | None = None, limit: int = 20
    ) -> RolloutRowPage:
        """Return a part of its rows that are so."""
        ...

    def start_rollout(self, name: str, draft: RolloutDraft) -> Rollout:
        """Start one and return it."""
        ...

    def tell_rollout(self, name: str, number: int, action: RolloutAction, failure_limit: int | None = None) -> Rollout:
        """Say what becomes of it and return it; one that is resumed may be given another limit of failures."""
        ...


def total(steps: Sequence[Step]) -> Step:
    """Return all steps as one, of what is known of them."""
    known = [step.total for step in steps if step.total is not None]
    return Step(
        state=steps[-1].state if steps else "waiting",
        total=sum(known) if len(known) == len(steps) else None,
        assigned=sum(step.assigned for step in steps),
        delivered=sum(step.delivered for step in steps),
        ready=sum(step.ready for step in steps),
        failed=sum(step.failed for step in steps),
    )
