"""Roll-outs in memory, as the API's contract has them: for tests, and to design against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from client.errors import MissingError, RefusedError
from rollouts.models import (
    Rollout,
    RolloutAction,
    RolloutDraft,
    RolloutPage,
    RolloutRow,
    RolloutRowPage,
    RolloutRowState,
    RolloutState,
    Step,
    StepDraft,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORDS = "Deployment acme/web: progress deadline exceeded"
BECOMES: dict[RolloutAction, RolloutState] = {
    "pause": "paused",
    "resume": "running",
    "abort": "aborted",
    "rollback": "rolling-back",
}


def half_way(number: int = 3, state: RolloutState = "running", why: str | None = None) -> Rollout:
    """Return one whose first step is done, and whose second has a row that failed."""
    return Rollout(
        id=number,
        renderer="tenants",
        revision=2,
        from_revisions=(1, 2),
        state=state,
        why=why,
        started_by="ada",
        started_at=NOW,
        changed_at=NOW,
        hold_seconds=60,
        failure_limit=1,
        steps=(
            Step(filter="environment == 'staging'", state="done", total=10, assigned=10, delivered=10, ready=10),
            Step(share=25, state="delivering", total=490, assigned=490, delivered=300, ready=294, failed=1, since=NOW),
            Step(share=100),
        ),
        changed_since=12,
        ready_seconds=600,
    )


@dataclass
class FakeRollouts:
    """A renderer's roll-outs by number, the rows of all of them, and what was started and said."""

    items: dict[int, Rollout] = field(default_factory=dict)
    rows: list[RolloutRow] = field(default_factory=list)
    started: list[RolloutDraft] = field(default_factory=list)
    told: list[tuple[int, RolloutAction, int | None]] = field(default_factory=list)
    refusal: RefusedError | None = None

    def page(self, cursor: str | None, limit: int) -> RolloutPage:
        """Return a part of them, newest first."""
        found = [self.items[number] for number in sorted(self.items, reverse=True)]
        start = int(cursor or 0)
        end = start + limit
        return RolloutPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    def get(self, number: int) -> Rollout:
        """Return one."""
        if number not in self.items:
            raise MissingError(404, "Not Found", f"tenants has no roll-out {number}")
        return self.items[number]

    def rows_page(self, state: RolloutRowState, cursor: str | None, limit: int) -> RolloutRowPage:
        """Return a part of the rows that are so."""
        found = [row for row in self.rows if row.state == state]
        start = int(cursor or 0)
        end = start + limit
        return RolloutRowPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    def start(self, name: str, draft: RolloutDraft, person: str) -> Rollout:
        """Start one: its last step is of all rows."""
        if self.refusal:
            raise self.refusal
        self.started.append(draft)
        steps = (*draft.steps, StepDraft(share=100))
        number = max(self.items, default=0) + 1
        self.items[number] = Rollout(
            number,
            name,
            draft.revision,
            (1,),
            "running",
            None,
            person,
            NOW,
            NOW,
            draft.hold_seconds,
            draft.failure_limit,
            tuple(Step(**vars(step)) for step in steps),
            draft.token,
            None,
            draft.ready_seconds,
        )
        return self.items[number]

    def tell(self, number: int, action: RolloutAction, failure_limit: int | None) -> Rollout:
        """Say what becomes of one."""
        if self.refusal:
            raise self.refusal
        self.told.append((number, action, failure_limit))
        self.items[number] = replace(self.get(number), state=BECOMES[action], why=None)
        return self.items[number]
