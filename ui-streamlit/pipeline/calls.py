"""`GET /pipeline`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args

from client.sending import Sending
from pipeline.models import Pipeline, Station, StationState


class PipelineCalls(Sending):
    """The calls of the page Pipeline."""

    def pipeline(self) -> Pipeline:
        """Return every station, judged a moment ago."""
        return pipeline(self._send("GET", "/pipeline"))


def pipeline(content: Mapping[str, Any]) -> Pipeline:
    """Return the whole way."""
    return Pipeline(
        state=_state(content["state"]),
        checked_at=datetime.fromisoformat(content["checked_at"]).astimezone(UTC),
        stations=tuple(_station(station) for station in content["stations"]),
    )


def _station(content: Mapping[str, Any]) -> Station:
    return Station(
        name=content["name"],
        title=content["title"],
        state=_state(content["state"]),
        message=content.get("message"),
        action=content.get("action"),
        page=content.get("page"),
        configured=content.get("configured", True),
        facts=content.get("facts") or {},
    )


def _state(word: str) -> StationState:
    # A word that a newer crud may use is not known to be good.
    return cast("StationState", word) if word in get_args(StationState) else "unknown"
