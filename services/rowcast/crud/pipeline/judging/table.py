"""The rows that wait or are refused, and the dead letters: what the database knows of changes that were captured."""

from collections.abc import Mapping
from datetime import datetime

from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import Rows, Waiting
from rowcast.crud.pipeline.judging.verdict import OK, Verdict
from rowcast.crud.pipeline.judging.words import count, duration


def rows(facts: Rows) -> Verdict:
    """The rows that wait, and the deletions."""
    late = {target: one for target, one in facts.pending.items() if one.overdue}
    parts = [f"{count(one.overdue, 'row')} at {target}" for target, one in late.items()]
    if facts.deletions.overdue:
        parts.append(count(facts.deletions.overdue, "deletion"))
    if parts:
        return Verdict(
            "degraded",
            f"overdue: {', '.join(parts)}",
            "see which station before or after is not ok; if all are, their events were lost: reconcile",
            Advice.RECONCILE,
        )
    if facts.failed:
        return Verdict(
            "degraded",
            f"{count(facts.failed, 'row')} refused by a target",
            "see the dead letters: mend the cause, then replay or discard them",
            Advice.DEAD_LETTERS,
        )
    return OK


def dead_letters(letters: Mapping[str, Waiting], now: datetime) -> Verdict:
    """Open dead letters."""
    open_ = sum(one.count for one in letters.values())
    if not open_:
        return OK
    oldest = min(one.since for one in letters.values() if one.since is not None)
    return Verdict(
        "degraded",
        f"{count(open_, 'dead letter')} open, the oldest for {duration(now - oldest)}",
        "mend the cause, then replay or discard them",
        Advice.DEAD_LETTERS,
    )
