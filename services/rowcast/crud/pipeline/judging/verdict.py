"""What there is to say of a station."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rowcast.crud.pipeline.advice import Advice, page
from rowcast.crud.pipeline.stations import State, Station


@dataclass(frozen=True)
class Verdict:
    """What there is to say of a station: its state and, unless it is ok, what is wrong and what to do."""

    state: State = "ok"
    message: str | None = None
    action: str | None = None
    advice: Advice | None = None


OK = Verdict()


def station(name: str, title: str, verdict: Verdict, facts: Mapping[str, Any], now: datetime) -> Station:
    """The station."""
    advice = verdict.advice
    return Station(
        name=name,
        title=title,
        state=verdict.state,
        message=verdict.message,
        action=verdict.action,
        advice=str(advice) if advice else None,
        page=page(advice) if advice else None,
        facts=dict(facts),
        checked_at=now,
    )
