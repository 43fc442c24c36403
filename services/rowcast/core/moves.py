"""Rows that move from one target to another: when the old one may let go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rowcast.core.outcomes import Outcome

THERE = frozenset((Outcome.CREATED, Outcome.CONFIGURED, Outcome.UNCHANGED))
ON_ITS_WAY = frozenset(("proposed", "committed", "failed"))
"""Stages of a Git target whose engine, or whose reviewers, have the word: nothing is in the cluster yet."""
CLUSTER = "k8s"
"""The kind of target whose rows are in a cluster, healthy or not."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What a target has told of a row last."""

    generation: int
    deleted: bool
    outcome: str
    stage: str | None
    stage_error: str | None = None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A row as the table has it, and what each target has told of it: None for one that has told nothing yet.

    `kinds` are those of the targets; one that is not in it is called as its kind is.
    """

    environment: str
    generation: int
    at: Mapping[str, Reported | None]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def kind(self, target: str) -> str:
        """A target's kind."""
        return self.kinds.get(target, target)


def may_leave(found: Whereabouts, target: str, generation: int) -> bool:
    """Whether `target` may take away a row that has left it with `generation`.

    It may when another target has the row, or when all others have said that they don't deliver it as it is now: a row
    that went on since may have come to one of them. A target that has not spoken yet may have it on its way; one that
    refuses it doesn't have it.

    Others of its own kind are all waited for: they are other places, and that one of them, or a repository, has the row
    says nothing of the cluster that it goes to.
    """
    others = {name: reported for name, reported in found.at.items() if name != target}
    newest = max(generation, found.generation)
    has_it = {
        name for name, one in others.items() if one and one.generation >= generation and _has(found.kind(name), one)
    }
    open_at = [name for name, one in others.items() if name not in has_it and not _is_not_for(one, newest)]
    if any(found.kind(name) == found.kind(target) for name in open_at):
        return False
    return bool(has_it) or not open_at


def _is_not_for(one: Reported | None, generation: int) -> bool:
    return one is not None and one.generation >= generation and one.outcome == Outcome.ELSEWHERE


def _has(kind: str, one: Reported) -> bool:
    return not one.deleted and one.outcome in THERE and (kind == CLUSTER or one.stage not in ON_ITS_WAY)
