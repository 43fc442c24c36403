"""A configuration's past, and the port through which the dashboard gets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from configurations.models import Draft

Kind = Literal["created", "updated", "deleted"]


@dataclass(frozen=True)
class Version:
    """One change of a row: what it said before (None for its creation) and after (None for its deletion)."""

    change: Kind
    generation: int
    changed_at: datetime
    changed_by: str
    before: Draft | None
    after: Draft | None


@dataclass(frozen=True)
class HistoryPage:
    """A part of a row's past, newest first; `next_cursor` is None where it began."""

    items: tuple[Version, ...]
    next_cursor: str | None


class Histories(Protocol):
    """The past, also of rows that are gone. May raise UnavailableError or RefusedError."""

    def history(self, row_id: int, cursor: str | None = None, limit: int = 20) -> HistoryPage:
        """Return a part of a row's past."""
        ...
