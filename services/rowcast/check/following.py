"""Whether a row has come to its targets: judged purely from crud's status, and waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rowcast.core.errors import RowcastError, TransientError
from rowcast.core.row import RowKey
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import UsageError


class State(StrEnum):
    """Where a row is at one target."""

    SYNCED = "synced"
    PENDING = "pending"
    FAILED = "failed"


class Stage(StrEnum):
    """How far what was delivered to a target has come since, in its order."""

    COMMITTED = "committed"
    SYNCED = "synced"
    HEALTHY = "healthy"


_STAGES = tuple(Stage)
_REFUSED = "failed"


@dataclass(frozen=True, slots=True)
class Goal:
    """A row at a generation or newer, or deleted; at these targets, or with none named at all that crud knows.

    Where a target tells stages, a row that is not deleted has to be at `stage` or a later one; None: delivered will do.
    """

    row: RowKey
    generation: int | None = None
    deleted: bool = False
    targets: Sequence[str] = ()
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target's state, with a few words on it."""

    target: str
    state: State
    words: str

    def __str__(self) -> str:
        return f"{self.target}: {self.state}, {self.words}"


class UnknownTargetError(UsageError):
    """crud knows no target of that name."""


class GoneError(RowcastError):
    """The row was deleted, and nobody asked for that."""


def judge(status: Mapping[str, Any], goal: Goal) -> list[Verdict]:
    """A verdict for each target of the goal, by crud's answer: `generation` (null for a row that is gone), `targets`.

    Raises UnknownTargetError, and GoneError for a row that is gone when it should not be.
    """
    known: Mapping[str, Mapping[str, Any]] = status["targets"]
    unknown = [target for target in goal.targets if target not in known]
    if unknown:
        raise UnknownTargetError(f"crud knows no target {', '.join(unknown)}, only {', '.join(known)}")
    if status["generation"] is None and not goal.deleted:
        raise GoneError(f"row {goal.row} is deleted (to wait for that: --deleted)")
    targets = dict.fromkeys(goal.targets or known)
    if goal.deleted:
        there = status["generation"] is not None
        return [_deletion(target, known[target], there) for target in targets]
    wanted = goal.generation or status["generation"]
    return [_arrival(target, known[target], wanted, goal.stage) for target in targets]


def _deletion(target: str, seen: Mapping[str, Any], there: bool) -> Verdict:
    if there:
        return Verdict(target, State.PENDING, "the row itself is not deleted yet")
    state = State(seen["state"])
    if state is State.FAILED:
        return Verdict(target, state, _failure(seen))
    return Verdict(target, state, "deleted" if state is State.SYNCED else "not deleted yet")


def _arrival(target: str, seen: Mapping[str, Any], wanted: int, stage: Stage | None) -> Verdict:
    observed = seen.get("observed_generation")
    if observed is None or observed < wanted or seen.get("outcome") == "deleted":
        return Verdict(target, State.PENDING, f"at generation {observed or 0} of {wanted}")
    if seen.get("outcome") == "elsewhere" and seen.get("error"):
        return Verdict(target, State.PENDING, f"generation {observed}: {_failure(seen)}")
    if seen.get("error") or seen.get("outcome") == "dead-lettered":
        return Verdict(target, State.FAILED, f"generation {observed}: {_failure(seen)}")
    reference = f" at {seen['reference']}" if seen.get("reference") else ""
    delivered = Verdict(target, State.SYNCED, f"generation {observed}: {seen.get('outcome')}{reference}")
    return delivered if stage is None else _staged(delivered, seen, stage)


def _staged(delivered: Verdict, seen: Mapping[str, Any], wanted: Stage) -> Verdict:
    """The verdict on a row that was delivered, by what became of it: by an engine's word, or by its objects."""
    if seen.get("state") == State.PENDING:
        # crud tells no stage then: it would be that of what the newer one is about to replace.
        return replace(delivered, state=State.PENDING, words=f"{delivered.words}, a newer generation is on its way")
    reached, said = seen.get("stage"), " ".join(str(seen.get("stage_error") or "").split())
    if reached is None:
        return delivered
    if reached == _REFUSED:
        return replace(
            delivered, state=State.FAILED, words=f"{delivered.words}, but failed: {said or 'nobody says why'}"
        )
    if reached in _STAGES[_STAGES.index(wanted) :]:
        return replace(delivered, words=f"{delivered.words}, {reached}")
    why = said or (f"at {seen['link']}" if seen.get("link") else "")
    words = f"{delivered.words}, {reached}, not {wanted} yet{f': {why}' if why else ''}"
    return replace(delivered, state=State.PENDING, words=words)


def _failure(seen: Mapping[str, Any]) -> str:
    return str(seen.get("error") or "it is a dead letter")


def follow(
    read: Callable[[RowKey], Mapping[str, Any]], goal: Goal, deadline: Deadline, each: Callable[[Verdict], None]
) -> list[Verdict]:
    """Waits until every target is settled or one has failed; `each` is told of a target once, when it is synced.

    `read` gets a row's status. Without a generation in the goal, the row's at the first look counts. Raises LateError,
    GoneError, UnknownTargetError, and what `read` raises beyond TransientError.
    """
    fixed, told = goal, set[str]()

    def look() -> list[Verdict]:
        nonlocal fixed
        status = read(goal.row)
        if not fixed.deleted and fixed.generation is None and status["generation"] is not None:
            fixed = replace(goal, generation=status["generation"])
        verdicts = judge(status, fixed)
        for verdict in verdicts:
            if verdict.state is State.SYNCED and verdict.target not in told:
                told.add(verdict.target)
                each(verdict)
        missing = [verdict for verdict in verdicts if verdict.state is State.PENDING]
        if missing and not any(verdict.state is State.FAILED for verdict in verdicts):
            raise TransientError("; ".join(str(verdict) for verdict in missing))
        return verdicts

    return deadline.until(look)
