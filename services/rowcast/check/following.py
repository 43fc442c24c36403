"""Whether a row has come to its targets: judged purely from crud's status, and waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rowcast.core.errors import RowcastError, TransientError
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import UsageError


class State(StrEnum):
    """Where a row is at one target."""

    SYNCED = "synced"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Goal:
    """A row at a generation or newer, or deleted; at these targets, or with none named at all that crud knows."""

    row_id: int
    generation: int | None = None
    deleted: bool = False
    targets: Sequence[str] = ()


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
    """A verdict for each target of the goal, by crud's answer to `/appconfigs/{id}/status`.

    Raises UnknownTargetError, and GoneError for a row that is gone when it should not be.
    """
    known: Mapping[str, Mapping[str, Any]] = status["targets"]
    unknown = [target for target in goal.targets if target not in known]
    if unknown:
        raise UnknownTargetError(f"crud knows no target {', '.join(unknown)}, only {', '.join(known)}")
    if status["generation"] is None and not goal.deleted:
        raise GoneError(f"row {goal.row_id} is deleted (to wait for that: --deleted)")
    targets = dict.fromkeys(goal.targets or known)
    if goal.deleted:
        there = status["generation"] is not None
        return [_deletion(target, known[target], there) for target in targets]
    wanted = goal.generation or status["generation"]
    return [_arrival(target, known[target], wanted) for target in targets]


def _deletion(target: str, seen: Mapping[str, Any], there: bool) -> Verdict:
    if there:
        return Verdict(target, State.PENDING, "the row itself is not deleted yet")
    state = State(seen["state"])
    if state is State.FAILED:
        return Verdict(target, state, _failure(seen))
    return Verdict(target, state, "deleted" if state is State.SYNCED else "not deleted yet")


def _arrival(target: str, seen: Mapping[str, Any], wanted: int) -> Verdict:
    observed = seen.get("observed_generation")
    if observed is None or observed < wanted or seen.get("outcome") == "deleted":
        return Verdict(target, State.PENDING, f"at generation {observed or 0} of {wanted}")
    if seen.get("error") or seen.get("outcome") == "dead-lettered":
        return Verdict(target, State.FAILED, f"generation {observed}: {_failure(seen)}")
    reference = f" at {seen['reference']}" if seen.get("reference") else ""
    return Verdict(target, State.SYNCED, f"generation {observed}: {seen.get('outcome')}{reference}")


def _failure(seen: Mapping[str, Any]) -> str:
    return str(seen.get("error") or "it is a dead letter")


def follow(
    read: Callable[[int], Mapping[str, Any]], goal: Goal, deadline: Deadline, each: Callable[[Verdict], None]
) -> list[Verdict]:
    """Waits until every target is settled or one has failed; `each` is told of a target once, when it is synced.

    `read` gets a row's status. Without a generation in the goal, the row's at the first look counts. Raises LateError,
    GoneError, UnknownTargetError, and what `read` raises beyond TransientError.
    """
    fixed, told = goal, set[str]()

    def look() -> list[Verdict]:
        nonlocal fixed
        status = read(goal.row_id)
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
