"""What the dashboard knows of promotions, and the port through which it gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from renderers.models import Rendered

Outcome = Literal["possible", "promoted", "awaiting", "refused"]
Fields = Mapping[str, tuple[Any, Any]]
"""What a promotion changes, each field with before and after."""


@dataclass(frozen=True)
class Seen:
    """A promotion by the two rows and the generations at which they were seen: what is copied, if they still are."""

    from_key: str
    from_generation: int
    to_key: str
    to_generation: int


@dataclass(frozen=True)
class Place:
    """One place of a group: the row there (`key` is None where there is none, or several), and what may be done.

    `state` is healthy, unsettled or failed, since when it is healthy. `seen` is None where there is no counterpart.
    """

    place: str
    key: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    since: datetime | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None
    seen: Seen | None = None
    fields: Fields = field(default_factory=dict)
    allowed: bool = False
    rule: str | None = None
    why: str | None = None
    request: int | None = None


@dataclass(frozen=True)
class Group:
    """Counterparts by what they share, with a place for each value of the order."""

    match: Mapping[str, str]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Board:
    """A page of groups. `order` is empty where rows are not promoted, and `why` says why."""

    order: tuple[str, ...] = ()
    approval: bool = False
    healthy_seconds: int | None = None
    why: str | None = None
    items: tuple[Group, ...] = ()
    next_cursor: str | None = None
    total: int = 0


@dataclass(frozen=True)
class Result:
    """What became of a promotion, or would; `before` and `after` are what the row becomes, where crud renders it."""

    outcome: Outcome
    seen: Seen
    from_place: str
    to_place: str
    fields: Fields
    why: str | None = None
    before: Rendered | None = None
    after: Rendered | None = None


@dataclass(frozen=True)
class Request:
    """What somebody has asked to promote, and nobody has decided on."""

    id: int
    to_key: str
    from_place: str
    to_place: str
    fields: Fields
    asked_by: str
    asked_at: datetime


class Promotions(Protocol):
    """Promotions of one renderer's rows. Every call may raise UnavailableError or RefusedError."""

    def promotion_board(
        self, renderer: str, search: str = "", differs: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Board:
        """Return a page of which version is where."""
        ...

    def promotion_preview(self, renderer: str, keys: Sequence[str]) -> tuple[Result, ...]:
        """Return what promoting to these rows would do; to all that differ, if there are none. Changes nothing."""
        ...

    def promote(self, renderer: str, wanted: Sequence[Seen]) -> tuple[Result, ...]:
        """Promote what was seen, or ask for somebody's approval."""
        ...

    def promotion_requests(self, renderer: str) -> tuple[Request, ...]:
        """Return what waits for an approval."""
        ...

    def decide_promotion(self, renderer: str, number: int, approved: bool, why: str = "") -> None:
        """Approve what somebody has asked for, or refuse it."""
        ...
