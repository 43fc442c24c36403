"""The rows that wait or are refused, and the dead letters: what the database knows of changes that were captured."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.capture import CaptureFacts, EngineFacts
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import Rows, Waiting
from rowcast.crud.pipeline.judging import broker, delivery
from rowcast.crud.pipeline.judging.verdict import OK, Verdict
from rowcast.crud.pipeline.judging.words import count, duration


def missing(
    facts: Rows, captured: CaptureFacts | None, syncs: Mapping[str, Mapping[str, Any] | None], now: datetime
) -> Mapping[str, int]:
    """Of each target, of how many rows and deletions the events were published and have not come through.

    Their events, or what was told of them, were lost, or nobody reads them. A target that is busy may come to them yet:
    none there. Targets are left out where it can't be known: capture is not past the snapshot, or was not to be asked.
    """
    if captured is None or facts.unheard is None or not captured.running or captured.lsn is None or captured.snapshot:
        return {}
    at_broker = captured.broker if isinstance(captured, EngineFacts) else None
    found: dict[str, int] = {}
    for target, sync in syncs.items():
        if sync is not None:
            waiting = broker.waits(at_broker, (f"sync-{target}", "crud")) if at_broker else None
            found[target] = facts.unheard.get(target, 0) if delivery.idle(sync, now, waiting) else 0
    return found


def rows(facts: Rows, missing: Mapping[str, int] | None = None, looks_seconds: float | None = None) -> Verdict:
    """The rows that wait, and the deletions. `looks_seconds`: how often sync looks for what is `missing`."""
    if gaps := [f"{count(number, 'row')} at {target}" for target, number in (missing or {}).items() if number]:
        every = "now and then" if looks_seconds is None else f"every {duration(timedelta(seconds=looks_seconds))}"
        return Verdict(
            "degraded",
            f"events have been published and not come through: {', '.join(gaps)}; sync looks for them {every}",
            "wait for that; if they stay, or it happens again: reconcile, and see the broker",
            Advice.MISSING_EVENTS,
        )
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
