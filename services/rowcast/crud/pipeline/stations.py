"""What the page of facts is made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from rowcast.crud.fields import Time

State = Literal["ok", "degraded", "down", "unknown"]
STATES: tuple[State, ...] = ("ok", "degraded", "down", "unknown")
_WORST: tuple[State, ...] = ("down", "degraded", "unknown", "ok")


class Station(BaseModel):
    """One part of the way. `message` says what is wrong, `action` what to do; both null when all is well."""

    name: Annotated[str, Field(examples=["connector"])]
    title: Annotated[str, Field(examples=["Debezium connector"])]
    state: State
    message: str | None = None
    action: str | None = None
    advice: str | None = Field(default=None, description="a stable word for the case, if it is a known one")
    page: str | None = Field(default=None, description="the page of the documentation that says what to do")
    configured: bool = Field(default=True, description="false where crud has not been told where to look")
    facts: dict[str, Any] = Field(default={}, description="figures, with their units in their names")
    checked_at: Time


class PipelineOut(BaseModel):
    """Every station in the order of a change's way; `state` is the worst of those that are configured."""

    state: State
    checked_at: Time
    stations: list[Station]


def overall(stations: Sequence[Station]) -> State:
    """The worst state; what crud was not told about doesn't count."""
    found = {station.state for station in stations if station.configured}
    return next((state for state in _WORST if state in found), "unknown")


def pipeline(stations: Sequence[Station], now: datetime) -> PipelineOut:
    """The page."""
    return PipelineOut(state=overall(stations), checked_at=now, stations=list(stations))
