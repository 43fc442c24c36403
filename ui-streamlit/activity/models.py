"""What happened to the configurations, and the port through which the dashboard gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Activity:
    """One change of one row. `fields` has (before, after) of each field that differs; `outcomes` a word per target."""

    id: int
    row_id: int
    name: str
    environment: str
    generation: int
    change: str
    changed_at: datetime
    changed_by: str
    fields: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ActivityQuery:
    """Which changes are shown: at most `limit` after `cursor`, newest first; what is empty narrows nothing."""

    person: str = ""
    name: str = ""
    change: str = ""
    outcome: str = ""
    limit: int = 25
    cursor: str | None = None


@dataclass(frozen=True)
class ActivityPage:
    """One page of changes; `next_cursor` is None on the last one."""

    items: tuple[Activity, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class AuditEntry:
    """One request that has changed something, or was refused.

    `subject` is whom the policy knows, `person` what they are called, `issuer` whose token it was, if it was one; `way`
    is token, dashboard, sidecar, operator, local or owner, and `act` `resource/verb`.
    """

    id: int
    at: datetime
    way: str
    subject: str
    person: str
    verified: bool
    act: str
    operation: str
    path: str
    outcome: str
    issuer: str | None = None
    renderer: str | None = None
    environments: tuple[str, ...] = ()
    why: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class AuditQuery:
    """Which entries are shown: at most `limit` after `cursor`, newest first; what is empty narrows nothing."""

    person: str = ""
    renderer: str = ""
    environment: str = ""
    outcome: str = ""
    request_id: str = ""
    limit: int = 25
    cursor: str | None = None


@dataclass(frozen=True)
class AuditPage:
    """One page of entries; `next_cursor` is None on the last one."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None


class Activities(Protocol):
    """What happened. Every call may raise UnavailableError or RefusedError."""

    def audit(self, query: AuditQuery) -> AuditPage:
        """Return one page of the audit's entries that match."""
        ...

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """Return one page of the changes that match."""
        ...

    def people(self) -> tuple[str, ...]:
        """Return who has changed something, the last one first."""
        ...
