"""The rows that wait or are refused, their tables, and the dead letters: what the database knows of changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.capture import CaptureFacts, EngineFacts
from rowcast.core.row import APP_CONFIGS
from rowcast.core.words import count, duration
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import Letters
from rowcast.crud.pipeline.judging import broker, delivery
from rowcast.crud.pipeline.judging.verdict import OK, Verdict
from rowcast.crud.pipeline.rows import Rows, Waiting, together
from rowcast.crud.sources.faults import SourceState

ByRenderer = Mapping[str, Rows]
Missing = Mapping[str, Mapping[str, int]]
"""By target and renderer."""
SHOWN = 3
"""Renderers in one message; all of them are in the facts."""


def missing(
    rows: ByRenderer, captured: CaptureFacts | None, syncs: Mapping[str, Mapping[str, Any] | None], now: datetime
) -> Missing:
    """Of each target and renderer, of how many rows and deletions the events were published and have not come through.

    Their events, or what was told of them, were lost, or nobody reads them. A target that is busy may come to them yet:
    none there. Targets are left out where it can't be known: capture is not past the snapshot, or was not to be asked.
    """
    unheard = {renderer: one.unheard for renderer, one in rows.items() if one.unheard is not None}
    if captured is None or not unheard or not captured.running or captured.lsn is None or captured.snapshot:
        return {}
    at_broker = captured.broker if isinstance(captured, EngineFacts) else None
    found: dict[str, dict[str, int]] = {}
    for target, sync in syncs.items():
        if sync is not None:
            waiting = broker.waits(at_broker, (f"sync-{target}", "crud")) if at_broker else None
            idle = delivery.idle(sync, now, waiting)
            found[target] = {renderer: one.get(target, 0) if idle else 0 for renderer, one in unheard.items()}
    return found


def rows(
    by_renderer: ByRenderer,
    now: datetime,
    missing: Missing | None = None,
    looks_seconds: float | None = None,
    unknown_targets: Mapping[str, int] | None = None,
) -> Verdict:
    """The rows that wait, and the deletions. `looks_seconds`: how often sync looks for what is `missing`.

    `unknown_targets` has the rows that wait for one which is not among the targets, by its name.
    """
    whole, only_ours = together(by_renderer.values()), set(by_renderer) <= {APP_CONFIGS}

    def said(number: int, thing: str, renderer: str) -> str:
        return count(number, thing) if only_ours else f"{count(number, thing)} of {renderer}"

    gaps = [
        f"{said(number, 'row', renderer)} at {target}"
        for target, numbers in (missing or {}).items()
        for renderer, number in numbers.items()
        if number
    ]
    if gaps:
        every = "now and then" if looks_seconds is None else f"every {duration(timedelta(seconds=looks_seconds))}"
        return Verdict(
            "degraded",
            f"events have been published and not come through: {', '.join(gaps)}"
            f"{_oldest(whole.pending.values(), now)}; sync looks for them {every}",
            "wait for that; if they stay, or it happens again: reconcile, and see the broker",
            Advice.MISSING_EVENTS,
        )
    parts, late = [], []
    for renderer, one in by_renderer.items():
        for target, waiting in one.pending.items():
            if waiting.overdue:
                parts.append(f"{said(waiting.overdue, 'row', renderer)} at {target}")
                late.append(waiting)
    for renderer, one in by_renderer.items():
        if one.deletions.overdue:
            parts.append(said(one.deletions.overdue, "deletion", renderer))
            late.append(one.deletions)
    if parts:
        return Verdict(
            "degraded",
            f"overdue: {', '.join(parts)}{_oldest(late, now)}",
            "see which station before or after is not ok; if all are, their events were lost: reconcile",
            Advice.RECONCILE,
        )
    if unknown_targets:
        unknown = [
            f"{target} is not among the targets, and {count(number, 'row')} {'waits' if number == 1 else 'wait'} for it"
            for target, number in unknown_targets.items()
        ]
        return Verdict(
            "degraded",
            "; ".join(unknown),
            "name it in ROWCAST_TARGETS again; or if it is gone for good: rowcast targets forget"
            f" {next(iter(unknown_targets))}",
            Advice.UNKNOWN_TARGET,
        )
    refused = {renderer: one.failed for renderer, one in by_renderer.items() if one.failed}
    if refused:
        numbers = ", ".join(said(number, "row", renderer) for renderer, number in refused.items())
        among = "" if whole.failing is None else f"; one is {whole.failing}"
        return Verdict(
            "degraded",
            f"{numbers} refused by a target{among}",
            "see the dead letters: mend the cause, then replay or discard them",
            Advice.DEAD_LETTERS,
        )
    return OK


def _oldest(some: Iterable[Waiting], now: datetime) -> str:
    oldest = sum(some, start=Waiting())
    if oldest.row is None or oldest.since is None:
        return ""
    return f"; the oldest is {oldest.row}, for {duration(now - oldest.since)}"


def sources(states: Sequence[SourceState]) -> Verdict:
    """The tables of renderers: whether they are captured as the newest declarations say."""
    wrong = [state for state in states if state.faults]
    if not wrong:
        return OK
    words = [f"{state.renderer}: {'; '.join(state.faults)}" for state in wrong[:SHOWN]]
    more = len(wrong) - SHOWN
    if more > 0:
        words.append(f"and {count(more, 'other')}")
    return Verdict(
        "degraded",
        f"tables are not captured as they should be: {'. '.join(words)}",
        "mend the table or the declaration (rowcast renderer check names what it says); then rowcast renderer apply,"
        " which captures what was missed",
        Advice.SOURCE_CHANGED,
    )


def dead_letters(letters: Letters, now: datetime) -> Verdict:
    """Open dead letters."""
    whole = sum(letters.values(), start=Waiting())
    if not whole.count or whole.since is None:
        return OK
    row = "" if whole.row is None else f": {whole.row}"
    return Verdict(
        "degraded",
        f"{count(whole.count, 'dead letter')} open, the oldest for {duration(now - whole.since)}{row}",
        "mend the cause, then replay or discard them",
        Advice.DEAD_LETTERS,
    )
