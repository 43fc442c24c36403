"""What an event is believed for: when the table has to be asked first, and what follows from its answer. Pure.

Whoever reaches the broker can write events, and true ones come late, twice, or with columns missing. What takes nothing
away and goes on from what is known (an update of the next generation) is believed at once. Everything else is compared
with the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rowcast.core.digest import digest_of_manifest
from rowcast.core.plan import Held
from rowcast.core.render import Desired


class Doubt(StrEnum):
    """Why the table is asked before an event counts."""

    DELETION = "deletion"
    """Nothing at the target could tell a forged one."""
    MISSING = "missing columns"
    JUMP = "jump"
    """The generation does not go on from the one that is known."""
    OTHER_CONTENT = "other content"
    """At the generation that the target has: a change that raised none, or not the row's."""
    OLD = "old"
    """Older than the instance, which can't have seen what has come since; or the first of its row, and late."""


class Verdict(StrEnum):
    """What to do with an event, now that the table has been asked."""

    BELIEVE = "believe"
    CORRECT = "correct"
    """Believe it, and put right what the target has at its generation."""
    TABLE = "table"
    """Deliver what the table has in its stead."""
    STALE = "stale"
    """What is newer has an event of its own, which has come or will come."""
    GONE = "gone"
    WAIT = "wait"
    """What was captured is not visible in the table yet."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a row without asking anybody: what the target holds, and the generation believed last."""

    held: Sequence[Held] = ()
    believed: int = 0

    @property
    def generation(self) -> int:
        """The highest; 0 if nothing is known."""
        return max((one.generation for one in self.held), default=0)


def doubt(desired: Desired, known: Known, expected: Iterable[Held]) -> Doubt | None:
    """Whether to ask the table first. `expected` is what the target holds once it has the event; read if needed."""
    if desired.deleted:
        return Doubt.DELETION
    if desired.missing:
        return Doubt.MISSING
    if (desired.follows or desired.generation) > max(known.generation, known.believed) + 1:
        return Doubt.JUMP
    if (
        known.held
        and desired.generation == known.generation
        and _content(known.held, desired) != _content(expected, desired)
    ):
        return Doubt.OTHER_CONTENT
    return None


def judge(desired: Desired, why: Doubt, current: Desired | None, *, visible: bool) -> Verdict:
    """Compare an event with its row as the table has it, None if it hasn't.

    `visible`: whether the table, when it was read, showed what the event's transaction has done.
    """
    if current is None:
        return Verdict.BELIEVE if desired.deleted else Verdict.GONE if visible else Verdict.WAIT
    if not desired.deleted and current.generation > desired.generation:
        return Verdict.STALE if why is Doubt.OLD else Verdict.TABLE
    if not desired.deleted and not desired.missing and same_content(desired, current):
        return Verdict.CORRECT if why is Doubt.OTHER_CONTENT else Verdict.BELIEVE
    return Verdict.TABLE if visible else Verdict.WAIT


def same_content(one: Desired, other: Desired) -> bool:
    """Whether two states of a row are the same at the same generation, whenever they were read."""
    return (one.generation, one.environment, [digest_of_manifest(m) for m in one.manifests]) == (
        other.generation,
        other.environment,
        [digest_of_manifest(m) for m in other.manifests],
    )


def confirmed(deletion: Desired, known: Known) -> Desired:
    """A deletion that the table confirms is of all that the row ever was, whatever generation its event had."""
    name = deletion.name or next((one.key.rpartition("/")[2].removesuffix(".yaml") for one in known.held), "")
    return replace(deletion, generation=max(deletion.generation, known.generation), name=name, missing=())


def _content(held: Iterable[Held], desired: Desired) -> dict[str, str]:
    return {one.key: one.digest for one in held if one.generation == desired.generation}
