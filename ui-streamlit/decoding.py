"""From crud's JSON to the dashboard's types. What crud may leave out is optional here; the rest must be there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from models import (
    AppConfig,
    FieldError,
    Letter,
    LetterPage,
    Page,
    RefusedError,
    RowStatus,
    State,
    TargetStatus,
)


def moment(text: str | None) -> datetime | None:
    """Return the instant that an RFC 3339 text names, in UTC."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _required(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _state(word: str) -> State:
    # A word that a newer crud may use is not known to be delivered, so it is not shown as such.
    return "synced" if word == "synced" else "failed" if word == "failed" else "pending"


def target_status(target: str, content: Mapping[str, Any]) -> TargetStatus:
    """Return what crud says of one target."""
    times = {station: moment(text) for station, text in (content.get("times") or {}).items()}
    return TargetStatus(
        target=target,
        state=_state(content.get("state", "pending")),
        observed_generation=content.get("observed_generation"),
        outcome=content.get("outcome"),
        reference=content.get("reference"),
        error=content.get("error"),
        updated_at=moment(content.get("updated_at")),
        times={station: time for station, time in times.items() if time is not None},
        overdue=bool(content.get("overdue")),
        stage=content.get("stage"),
        stage_error=content.get("stage_error"),
        link=content.get("link"),
    )


def _targets(content: Mapping[str, Any] | None) -> tuple[TargetStatus, ...]:
    return tuple(target_status(target, status) for target, status in (content or {}).items())


def app_config(content: Mapping[str, Any]) -> AppConfig:
    """Return the row of one AppConfig resource."""
    return AppConfig(
        id=content["id"],
        name=content["name"],
        repository_url=content["repository_url"],
        branch=content["branch"],
        environment=content["environment"],
        generation=content["generation"],
        created_at=_required(content["created_at"]),
        updated_at=_required(content["updated_at"]),
        updated_by=content["updated_by"],
        sync=_targets(content.get("sync")),
    )


def page(content: Mapping[str, Any]) -> Page:
    """Return the page of one list answer."""
    return Page(
        items=tuple(app_config(item) for item in content["items"]),
        next_cursor=content.get("next_cursor"),
        total=content["total"],
    )


def letter(content: Mapping[str, Any]) -> Letter:
    """Return one dead letter."""
    return Letter(
        id=content["id"],
        state=content["state"],
        target=content["target"],
        reason=content["reason"],
        error=content["error"],
        row_id=content.get("row_id"),
        name=content.get("name"),
        generation=content.get("generation"),
        position=content.get("position") or {},
        occurrences=content.get("occurrences", 1),
        dead_lettered_at=_required(content["dead_lettered_at"]),
        resolved_at=moment(content.get("resolved_at")),
        resolved_by=content.get("resolved_by"),
        resolution_reason=content.get("resolution_reason"),
        answered_at=moment(content.get("answered_at")),
    )


def letter_page(content: Mapping[str, Any]) -> LetterPage:
    """Return the page of one list of dead letters."""
    return LetterPage(tuple(letter(item) for item in content["items"]), content.get("next_cursor"), content["total"])


def row_status(content: Mapping[str, Any]) -> RowStatus:
    """Return the delivery of one status answer."""
    return RowStatus(content["id"], content.get("generation"), _targets(content.get("targets")))


def problem(kind: type[RefusedError], status: int, content: Any) -> RefusedError:
    """Return the refusal that an RFC 9457 problem describes; anything else becomes one without details."""
    known: Mapping[str, Any] = content if isinstance(content, dict) else {}
    errors = tuple(
        FieldError(
            str(error.get("field", "")), str(error.get("rule", "")), str(error.get("message", "")), error.get("index")
        )
        for error in known.get("errors") or ()
        if isinstance(error, dict)
    )
    return kind(status, str(known.get("title") or f"HTTP {status}"), str(known.get("detail") or ""), errors)
