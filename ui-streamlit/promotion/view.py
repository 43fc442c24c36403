"""What the page says of places and promotions: pure, with the time of looking passed in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from configurations.models import APP_CONFIGS
from promotion.models import Board, Fields, Place, Result
from shared.formatting import ago, plain

Colour = Literal["green", "orange", "red", "gray"]
COLOURS: dict[str, Colour] = {"healthy": "green", "unsettled": "orange", "failed": "red"}


def label(renderer: str) -> str:
    """Return what people call the rows of a renderer."""
    return "Configurations" if renderer == APP_CONFIGS else renderer


def value(given: Any) -> str:
    """Return a value as a person reads it."""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def values(place: Place) -> str:
    """Return what a place has, in one line: the value alone where there is one."""
    if len(place.values) == 1:
        return value(next(iter(place.values.values())))
    return ", ".join(f"{name} {value(given)}" for name, given in place.values.items())


def changes(fields: Fields) -> str:
    """Return a promotion's fields as a difference's lines."""
    lines = (
        line for name, (old, new) in fields.items() for line in (f"- {name}: {value(old)}", f"+ {name}: {value(new)}")
    )
    return "\n".join(lines)


def since(place: Place, now: datetime) -> str:
    """Return how a place's row is, and who made it so."""
    span = ago(place.since, now) if place.since else ""
    state = f"for {span.removesuffix(' ago')}" if span.endswith(" ago") else f"since {span}" if span else ""
    who = f"{ago(place.changed_at, now)} by {plain(place.changed_by or 'somebody')}" if place.changed_at else ""
    return " · ".join(
        part for part in (f"{place.state} {state}" if state else "", f"changed {who}" if who else "") if part
    )


def note(place: Place) -> str:
    """Return why a place can't be promoted to, where that is worth a word."""
    return "" if place.rule in (None, "first", "same") else place.why or ""


def gates(board: Board) -> str:
    """Return what a promotion has to pass."""
    parts = []
    if board.healthy_seconds is not None:
        parts.append(f"healthy for {duration(board.healthy_seconds)} where it comes from")
    if board.approval:
        parts.append("approved by somebody else")
    return f"What is promoted must be {' and '.join(parts)}." if parts else ""


def duration(seconds: int) -> str:
    """Return a time in the largest unit that makes it whole."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def outcome(results: Iterable[Result]) -> str:
    """Return what became of promotions, counted."""
    words = {"promoted": "promoted", "awaiting": "waiting for an approval", "refused": "refused"}
    found = [result.outcome for result in results]
    return ", ".join(f"{found.count(name)} {word}" for name, word in words.items() if name in found) + "."
