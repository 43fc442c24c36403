"""What every answer of crud's may hold: moments, and why it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from client.errors import FieldError, RefusedError


def moment(text: str | None) -> datetime | None:
    """Return the instant that an RFC 3339 text names, in UTC."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def required_moment(text: str) -> datetime:
    """Return the same of a text that must be there."""
    return datetime.fromisoformat(text).astimezone(UTC)


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
