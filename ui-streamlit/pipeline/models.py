"""What the dashboard knows of the way of a change, and the port through which it gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

StationState = Literal["ok", "degraded", "down", "unknown"]


@dataclass(frozen=True)
class Station:
    """One part of the way, as crud judges it; `facts` are figures with their units in their names."""

    name: str
    title: str
    state: StationState
    message: str | None = None
    action: str | None = None
    page: str | None = None
    configured: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """Every station in the order of a change's way."""

    state: StationState
    checked_at: datetime
    stations: tuple[Station, ...]

    def station(self, name: str) -> Station | None:
        """Return the station of that name, if there is one."""
        return next((station for station in self.stations if station.name == name), None)


class Pipelines(Protocol):
    """How the way is. May raise UnavailableError or RefusedError."""

    def pipeline(self) -> Pipeline:
        """Return every station, judged a moment ago."""
        ...
