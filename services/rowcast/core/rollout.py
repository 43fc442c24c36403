"""A roll-out: a renderer's rows go on by another revision, step by step, each waiting until its rows do well. Pure.

All that is known of it is in `Rollout`, which is kept in the database; what the database says of rows is `Seen`. A
look at these gives the next `Rollout` and how many rows may be given the revision now. So whoever looks goes on where
another one has ended, and a look too many changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from rowcast.core.errors import RowcastError

State = Literal["running", "holding", "paused", "stopped", "aborted", "done", "rolling-back", "rolled-back"]
UNDER_WAY: tuple[State, ...] = ("running", "holding", "paused", "stopped", "rolling-back")
"""Of a renderer at most one is."""
GIVING: tuple[State, ...] = ("running", "holding", "rolling-back")
"""In which rows are given another revision."""
StepState = Literal["waiting", "assigning", "delivering", "holding", "done"]
AT_ONCE = 500
"""Rows that are given the revision in one transaction: as many events wait in the log until it ends."""
ON_THEIR_WAY = 1_000
"""Rows that may be on their way at the same time: changes of other rows wait behind no more than these."""
ALL = 100.0
OPEN = "waits for the end of transactions that were open when its last step began: one of them may have made a row"
PATIENCE = timedelta(seconds=10)
"""How long such a transaction takes before it is worth a word."""


class RolloutError(RowcastError):
    """It makes no sense in this state; the text says why."""


@dataclass(frozen=True)
class Step:
    """One step: until so many `rows`, or such a `share` (percent) of all rows, have the revision, or those that a
    `filter` takes. `since`: when its state began. `total`: how many rows it is of, None while that isn't known.
    `after`: the key up to which rows were held against the filter; `looked`: all of them were, once.
    """

    rows: int | None = None
    share: float | None = None
    filter: str | None = None
    state: StepState = "waiting"
    since: datetime | None = None
    total: int | None = None
    assigned: int = 0
    delivered: int = 0
    ready: int = 0
    failed: int = 0
    after: str = ""
    looked: bool = False


class Staged(Protocol):
    """A step, as it is kept or as it is shown."""

    @property
    def state(self) -> StepState:
        """How far it is."""
        ...


def place_of(steps: Sequence[Staged]) -> int:
    """Which step is under way: the first that isn't done, or else the last."""
    return next((place for place, step in enumerate(steps) if step.state != "done"), len(steps) - 1)


@dataclass(frozen=True)
class Rollout:
    """`hold_seconds`: how long a step's rows have to do well; `failure_limit`: how many rows may fail in all."""

    steps: Sequence[Step]
    hold_seconds: int = 0
    failure_limit: int = 0
    state: State = "running"
    why: str | None = None

    @property
    def place(self) -> int:
        """As `place_of` says."""
        return place_of(self.steps)

    @property
    def step(self) -> Step:
        """That step."""
        return self.steps[self.place]

    @property
    def new_rows_follow(self) -> bool:
        """Whether rows that are made are of the revision from the start: the last step has come, which is of all."""
        return self.state != "rolling-back" and self.steps[-1].state != "waiting"


@dataclass(frozen=True)
class Counts:
    """Of a step's rows that have the revision. `unsettled`: were ready, and are not, though nobody has changed them."""

    assigned: int = 0
    delivered: int = 0
    ready: int = 0
    failed: int = 0
    unsettled: int = 0


@dataclass(frozen=True)
class Seen:
    """A renderer's rows: how many there are, how many are `behind`, without the revision, and the `steps`' own.

    `on_their_way`: were given a revision, of which not all targets have told yet. `switched`: rows that are made now
    are of the revision that all are to have in the end, and no transaction from before that is open. `going_back`: rows
    that a rollback has still to give their revision back, or of which targets haven't told. `failing`: one of the rows
    that failed, and its target's words. `there`: the renderer isn't deleted.
    """

    rows: int
    behind: int
    steps: Sequence[Counts]
    on_their_way: int = 0
    switched: bool = True
    going_back: int = 0
    failing: str | None = None
    there: bool = True


def begin(steps: Iterable[Step], hold_seconds: int, failure_limit: int) -> Rollout:
    """A roll-out whose last step is of all rows: it is added where none is asked for."""
    asked = list(steps)
    if not asked or (asked[-1].share or 0) < ALL:
        asked.append(Step(share=ALL))
    return Rollout(asked, hold_seconds, failure_limit)


def advance(rollout: Rollout, seen: Seen, now: datetime) -> Rollout:
    """What it is after a look."""
    if rollout.state not in UNDER_WAY:
        return rollout
    if not seen.there:
        return replace(rollout, state="aborted", why="the renderer was deleted")
    rollout = replace(rollout, steps=[_counted(*each) for each in zip(rollout.steps, seen.steps, strict=True)])
    if rollout.state == "rolling-back":
        over = seen.switched and not seen.going_back
        return replace(rollout, state="rolled-back", why=None) if over else rollout
    if rollout.state in ("paused", "stopped"):
        return rollout
    failed = sum(counts.failed for counts in seen.steps)
    if failed > rollout.failure_limit:
        return replace(rollout, state="stopped", why=_too_many(failed, rollout.failure_limit, seen.failing))
    while True:
        place = rollout.place
        after = _moved(rollout, seen, now)
        rollout = replace(rollout, steps=[*rollout.steps[:place], after, *rollout.steps[place + 1 :]])
        if all(step.state == "done" for step in rollout.steps):
            return replace(rollout, state="done", why=None)
        if after.state != "done":
            why = OPEN if _waits_for_writers(rollout, seen, now) else None
            return replace(rollout, state="holding" if after.state == "holding" else "running", why=why)


def _waits_for_writers(rollout: Rollout, seen: Seen, now: datetime) -> bool:
    last = rollout.steps[-1]
    return last.state == "delivering" and not seen.switched and last.since is not None and now - last.since > PATIENCE


def _moved(rollout: Rollout, seen: Seen, now: datetime) -> Step:
    """The step that is under way, as far as it has come by now."""
    step, counts, last = rollout.step, seen.steps[rollout.place], rollout.place == len(rollout.steps) - 1
    wanted = rows_wanted(step, seen)
    if step.state == "waiting":
        step = replace(step, state="assigning", since=now)
    if step.filter is None or step.looked:
        step = replace(step, total=counts.assigned + (wanted or 0))
    if step.state == "assigning" and (step.looked if wanted is None else wanted == 0):
        step = replace(step, state="delivering", since=now)
    do_well = counts.ready + counts.failed >= counts.assigned
    # The last row of all may be one of a transaction that is still open.
    do_well = do_well and (not last or (seen.behind == 0 and seen.switched))
    if step.state == "delivering" and do_well:
        step = replace(step, state="holding", since=now)
    if step.state == "holding" and counts.unsettled:
        step = replace(step, state="delivering", since=now)
    held = step.since is not None and now - step.since >= timedelta(seconds=rollout.hold_seconds)
    return replace(step, state="done", since=now) if step.state == "holding" and do_well and held else step


def rows_wanted(step: Step, seen: Seen) -> int | None:
    """How many more rows the step takes; None for one by a filter, which has to look at them."""
    if step.filter is not None:
        return None
    goal = step.rows if step.rows is not None else math.ceil(seen.rows * (step.share or 0) / ALL)
    return min(max(goal - (seen.rows - seen.behind), 0), seen.behind)


def room(rollout: Rollout, seen: Seen) -> int:
    """How many rows may be given another revision now."""
    if rollout.state not in GIVING:
        return 0
    return max(min(AT_ONCE, ON_THEIR_WAY - seen.on_their_way), 0)


def pause(rollout: Rollout) -> Rollout:
    """No more rows until it is resumed."""
    if rollout.state not in ("running", "holding"):
        raise RolloutError(f"it is {rollout.state}: only one that goes on can be paused")
    return replace(rollout, state="paused", why="paused by a person")


def resume(rollout: Rollout, now: datetime, failure_limit: int | None = None) -> Rollout:
    """Go on, also after it has stopped by itself, with another limit of failures if one is given.

    A step that was holding holds from the start.
    """
    if rollout.state not in ("paused", "stopped"):
        raise RolloutError(f"it is {rollout.state}: only one that is paused or stopped can be resumed")
    place = rollout.place
    step = rollout.step
    steps = [*rollout.steps]
    steps[place] = replace(step, since=now) if step.state == "holding" else step
    limit = rollout.failure_limit if failure_limit is None else failure_limit
    state: State = "holding" if step.state == "holding" else "running"
    return replace(rollout, steps=steps, state=state, why=None, failure_limit=limit)


def abort(rollout: Rollout) -> Rollout:
    """No more rows, for good; they stay as they are."""
    if rollout.state not in UNDER_WAY:
        raise RolloutError(f"it is {rollout.state} already")
    return replace(rollout, state="aborted", why="aborted by a person")


def roll_back(rollout: Rollout) -> Rollout:
    """Its rows get the revision back that they had."""
    if rollout.state in ("rolling-back", "rolled-back"):
        raise RolloutError(f"it is {rollout.state} already")
    return replace(rollout, state="rolling-back", why="rolled back by a person")


def steps_as_json(rollout: Rollout) -> list[dict[str, Any]]:
    """The steps as they are kept."""
    return [asdict(step) | {"since": step.since and step.since.isoformat()} for step in rollout.steps]


def steps_of(kept: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The steps that were kept."""
    return [Step(**{**each, "since": each["since"] and datetime.fromisoformat(each["since"])}) for each in kept]


def _counted(step: Step, counts: Counts) -> Step:
    return replace(step, assigned=counts.assigned, delivered=counts.delivered, ready=counts.ready, failed=counts.failed)


def _too_many(failed: int, limit: int, failing: str | None) -> str:
    rows = "1 row has failed" if failed == 1 else f"{failed} rows have failed"
    return f"{rows}, and the limit is {limit}" + (f"; {failing}" if failing else "")
