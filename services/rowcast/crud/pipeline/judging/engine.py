"""Beyond a Git target: the engine that makes its commits real, by what sync told of it."""

from datetime import datetime, timedelta

from rowcast.core.words import count, duration
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import GitOpsEngine
from rowcast.crud.pipeline.judging.verdict import OK, Verdict

STALE = timedelta(minutes=5)
"""sync tells it at least every minute."""
_UNWELL = ("Degraded", "Suspended")


def stale(facts: GitOpsEngine, now: datetime) -> bool:
    """Whether nobody has told of it for too long."""
    return now - facts.observed_at > STALE


def engine(facts: GitOpsEngine, now: datetime) -> Verdict:
    """The engine. Rows that wait for it are no fault: it comes by itself."""
    if stale(facts, now):
        said = ": ".join(filter(None, (f"{facts.sync}, {facts.health}", _line(facts.message))))
        return Verdict(
            "unknown",
            f"nothing was told of it for {duration(now - facts.observed_at)}; the last was {said}",
            "see the sync instance and its log",
            Advice.ENGINE,
        )
    if facts.refused:
        words = f"{count(len(facts.refused), 'row')} refused: {_line(next(iter(facts.refused.values())))}"
        return Verdict("degraded", words, "mend the row, or what refuses it", Advice.ENGINE)
    if facts.message is not None or facts.health in _UNWELL:
        words = _line(facts.message) or f"{facts.application} is {facts.health}"
        return Verdict("degraded", words, "mend the cause; it goes on by itself", Advice.ENGINE)
    return OK


def _line(text: str | None) -> str:
    """Flux ends its words with a line of its own."""
    return " ".join((text or "").split())
