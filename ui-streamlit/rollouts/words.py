"""From roll-outs to what their pages say: pure, with the time of looking passed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from rollouts.models import Rollout, RolloutAction, RolloutDraft, RolloutRowState, RolloutState, Step, StepDraft, total
from shared.formatting import ago, counted, duration, sentence

Colour = Literal["blue", "green", "orange", "red", "gray"]

COLOURS: Final[Mapping[RolloutState, Colour]] = {
    "running": "blue",
    "holding": "blue",
    "paused": "orange",
    "stopped": "red",
    "aborted": "gray",
    "done": "green",
    "rolling-back": "orange",
    "rolled-back": "gray",
}
STEP_STATES: Final[Mapping[str, str]] = {
    "waiting": "waits for the steps before it",
    "assigning": "gives its rows the revision",
    "delivering": "waits until its rows are delivered and ready",
    "holding": "its rows do well; holds",
    "done": "done",
}
ROW_STATES: Final[Mapping[RolloutRowState, str]] = {"failed": "Failed", "pending": "On their way", "ready": "Ready"}
NONE: Final[Mapping[RolloutRowState, str]] = {
    "failed": "None of its rows has failed.",
    "pending": "None of its rows is on its way.",
    "ready": "None of its rows is ready yet.",
}
ACTIONS: Final[Mapping[RolloutAction, tuple[str, str]]] = {
    "pause": ("Pause", ":material/pause:"),
    "resume": ("Resume", ":material/play_arrow:"),
    "rollback": ("Roll back", ":material/undo:"),
    "abort": ("Abort", ":material/stop:"),
}
MEANINGS: Final[Mapping[RolloutAction, str]] = {
    "pause": "No more rows get the revision until it is resumed. Those that have it keep it.",
    "resume": "It goes on where it was. A step that was holding holds from the start.",
    "rollback": "Its rows get the revision back that they had, all at once; that raises their generations again.",
    "abort": "It ends here, for good: no more rows get the revision, and those that have it keep it.",
}
WHOLE: Final = 100
_STEP: Final = re.compile(r"(?:body\.)?steps[.\[](\d+)\]?\.?")


def actions(rollout: Rollout) -> tuple[RolloutAction, ...]:
    """Return what makes sense in its state."""
    state = rollout.state
    offered: Mapping[RolloutAction, bool] = {
        "pause": state in ("running", "holding"),
        "resume": state in ("paused", "stopped"),
        "rollback": state not in ("rolling-back", "rolled-back"),
        "abort": rollout.under_way,
    }
    return tuple(action for action, there in offered.items() if there)


def step(one: StepDraft) -> str:
    """Return which rows a step is of: a number and a share say how many have the revision at its end."""
    if one.filter is not None:
        return f"rows where {one.filter}"
    if one.rows is not None:
        return counted(one.rows, "row")
    return "all rows" if (one.share or 0) >= WHOLE else f"{one.share:g} % of all rows"


def share(one: Step) -> float:
    """Return which share of a step's rows is ready, 0 to 1."""
    if not one.total:
        return 1.0 if one.state == "done" else 0.0
    return min(1.0, one.ready / one.total)


def counts(one: Step) -> str:
    """Return how far a step's rows are."""
    if one.total == 0:
        return "No row was left for it"
    if one.total is None:
        return "Its rows are not known yet" if not one.assigned else f"{one.assigned:,} have the revision"
    parts = [
        f"{one.assigned:,} of {one.total:,} have the revision",
        f"{one.delivered:,} delivered",
        f"{one.ready:,} ready",
    ]
    return ", ".join([*parts, *([f"{one.failed:,} failed"] if one.failed else [])])


def at(one: Step, now: datetime) -> str:
    """Return what a step does, and for how long it has."""
    since = one.since and (ago(one.since, now) if one.state == "done" else f"for {duration(now - one.since)}")
    return STEP_STATES.get(one.state, one.state) + (f", {since}" if since else "")


def about(rollout: Rollout, now: datetime) -> str:
    """Return from where to where it goes, since when, and by whom."""
    others = [number for number in rollout.from_revisions if number != rollout.revision]
    came = f" from {', '.join(str(number) for number in others)}" if others else ""
    return f"To revision {rollout.revision}{came}, started {ago(rollout.started_at, now)} by {rollout.started_by}"


def limits(rollout: Rollout) -> str:
    """Return how long its steps hold, and what stops it."""
    parts = [
        f"each step holds for {duration(timedelta(seconds=rollout.hold_seconds))}" if rollout.hold_seconds else "",
        "the first failed row stops it"
        if not rollout.failure_limit
        else f"more than {counted(rollout.failure_limit, 'failed row')} stop it",
        f"who isn't ready after {duration(timedelta(seconds=rollout.ready_seconds))} has failed"
        if rollout.ready_seconds
        else "",
    ]
    return sentence("; ".join(part for part in parts if part))


def changed_since(rollout: Rollout) -> str:
    """Return how many rows had changed since its impact was seen, or nothing where none was."""
    if rollout.changed_since is None:
        return ""
    return f"{counted(rollout.changed_since, 'row')} had changed since its impact was seen."


def progress(rollout: Rollout) -> tuple[float, str]:
    """Return how far it is, 0 to 1 and in words."""
    whole = total(rollout.steps)
    done = sum(one.state == "done" for one in rollout.steps)
    known = sum(one.total or 0 for one in rollout.steps)
    # The rows of a step that waits are not known, and each step counts as much as the others.
    part = sum(1.0 if one.state == "done" else share(one) for one in rollout.steps) / max(len(rollout.steps), 1)
    words = f"{done} of {counted(len(rollout.steps), 'step')}, {whole.ready:,} of {counted(known, 'row')} ready"
    return part, words + (f", {whole.failed:,} failed" if whole.failed else "")


def done_so_far(rollout: Rollout) -> str:
    """Return how many rows have the revision, for the one who says what becomes of it."""
    given = sum(one.assigned for one in rollout.steps)
    has = "has" if given == 1 else "have"
    return f"{counted(given, 'row')} {has} revision {rollout.revision} by roll-out {rollout.id}."


def plan(draft: RolloutDraft, rows: int | None) -> str:
    """Return what is going to be done, for the one who confirms it. The last step is always of all rows."""
    steps: Sequence[StepDraft] = draft.steps
    if not steps or steps[-1].filter is not None or (steps[-1].share or 0) < WHOLE:
        steps = (*steps, StepDraft(share=float(WHOLE)))
    ways = " → ".join(step(one) for one in steps)
    where = "every row" if rows is None else counted(rows, "row")
    return f"Revision {draft.revision} goes to {where} in {counted(len(steps), 'step')}: {ways}."


def place(field: str) -> str:
    """Return a refused field's place for people: steps count from 1 to them."""
    return _STEP.sub(lambda found: f"Step {int(found[1]) + 1} ", field).removeprefix("body.").strip()
