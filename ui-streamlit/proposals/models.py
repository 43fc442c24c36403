"""Proposals as the dashboard sees them, and what it needs of crud for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

State = Literal["open", "approved", "rejected", "withdrawn", "stale"]
Verb = Literal["approve", "reject", "withdraw", "renew"]


@dataclass(frozen=True)
class Change:
    """What becomes of one row; `fields` has before and after, none for a row that only changes with it.

    `environments` are those before and after, without one that isn't known.
    """

    renderer: str
    key: str | None
    name: str
    op: str
    fields: Mapping[str, tuple[Any, Any]]
    environments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """One of them. `outdated` says what has changed of its rows since they were seen."""

    id: int
    renderer: str
    state: State
    environments: tuple[str, ...]
    asked_by: str
    asked_at: datetime
    changes: tuple[Change, ...]
    authors: tuple[str, ...] = ()
    comment: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None
    why: str = ""
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProposalPage:
    """A part of a list, newest first."""

    items: tuple[Proposal, ...] = ()
    next_cursor: str | None = None
    total: int = 0


class Proposals(Protocol):
    """What the room needs. Every call may raise UnavailableError or RefusedError."""

    def proposals(
        self, state: State | None = None, *, for_approval: bool = False, cursor: str | None = None, limit: int = 20
    ) -> ProposalPage:
        """Return a page of them; `for_approval`: open ones that the person may approve."""
        ...

    def proposal(self, number: int) -> Proposal:
        """Return one, with what has changed since."""
        ...

    def decide_proposal(self, number: int, verb: Verb, why: str = "") -> None:
        """Approve, reject (why), withdraw or renew it; a renewed one raises ProposedError with the new one."""
        ...
