"""What the dashboard knows of dead letters, and the port through which it gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

LetterState = Literal["open", "replayed", "discarded"]


@dataclass(frozen=True)
class Letter:
    """One event that a target could not take; what the event does not tell is None."""

    id: int
    state: LetterState
    target: str
    reason: str
    error: str
    row_id: int | None
    name: str | None
    generation: int | None
    position: Mapping[str, str]
    occurrences: int
    dead_lettered_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution_reason: str | None = None
    answered_at: datetime | None = None
    renderer: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class LetterQuery:
    """Which dead letters are shown: at most `limit` after `cursor`, newest first; all, or those of one row."""

    state: LetterState = "open"
    target: str = ""
    renderer: str = ""
    key: str = ""
    limit: int = 20
    cursor: str | None = None


@dataclass(frozen=True)
class LetterPage:
    """One page of dead letters; as Page."""

    items: tuple[Letter, ...]
    next_cursor: str | None
    total: int


class DeadLetters(Protocol):
    """What could not be delivered, on behalf of one person. Every call may raise UnavailableError or RefusedError."""

    def letters(self, query: LetterQuery) -> LetterPage:
        """Return one page of the dead letters that match."""
        ...

    def letter_event(self, letter_id: int) -> Any:
        """Return what was in one dead letter: any JSON."""
        ...

    def replay(self, ids: tuple[int, ...], reason: str) -> None:
        """Deliver the events of open letters once more; a `reason` may be empty."""
        ...

    def discard(self, ids: tuple[int, ...], reason: str) -> None:
        """Take open letters off the list, for a reason."""
        ...
