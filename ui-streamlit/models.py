"""What the dashboard knows of a configuration, and the port through which it gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

State = Literal["synced", "pending", "failed"]
Filter = Literal["synced", "pending", "failed", "overdue", "deleting"]
LetterState = Literal["open", "replayed", "discarded"]
Sort = Literal["name", "-name", "updated_at", "-updated_at", "id", "-id"]


@dataclass(frozen=True)
class Draft:
    """The four fields that a person may write."""

    name: str
    repository_url: str
    branch: str
    environment: str


@dataclass(frozen=True)
class TargetStatus:
    """What became of a row at one target; `times` are saved, captured, delivered and recorded, where known.

    One that is pending for longer than crud's setting is `overdue`. `stage` is how far it has come beyond its delivery,
    where somebody follows: `proposed` (by the pull request at `link`), `committed`, `synced`, `healthy`, or `failed`.
    """

    target: str
    state: State
    observed_generation: int | None = None
    outcome: str | None = None
    reference: str | None = None
    error: str | None = None
    updated_at: datetime | None = None
    times: Mapping[str, datetime] = field(default_factory=dict)
    overdue: bool = False
    stage: str | None = None
    stage_error: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class AppConfig:
    """One row as crud gives it; `sync` holds a status per target that has reported or is expected to."""

    id: int
    name: str
    repository_url: str
    branch: str
    environment: str
    generation: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    sync: tuple[TargetStatus, ...] = ()

    @property
    def draft(self) -> Draft:
        """The four fields alone."""
        return Draft(self.name, self.repository_url, self.branch, self.environment)


@dataclass(frozen=True)
class Query:
    """What the list shows: at most `limit` rows after `cursor`, in the order of `sort`."""

    search: str = ""
    environment: str = ""
    state: Filter | None = None
    sort: Sort = "-updated_at"
    limit: int = 25
    cursor: str | None = None


@dataclass(frozen=True)
class Page:
    """One page of rows; `total` counts all that match, `next_cursor` is None on the last page."""

    items: tuple[AppConfig, ...]
    next_cursor: str | None
    total: int


@dataclass(frozen=True)
class RowStatus:
    """The delivery of one row; `generation` is None when the row is gone."""

    id: int
    generation: int | None
    targets: tuple[TargetStatus, ...]


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


@dataclass(frozen=True)
class LetterQuery:
    """Which dead letters are shown: at most `limit` after `cursor`, newest first."""

    state: LetterState = "open"
    target: str = ""
    limit: int = 20
    cursor: str | None = None


@dataclass(frozen=True)
class LetterPage:
    """One page of dead letters; as Page."""

    items: tuple[Letter, ...]
    next_cursor: str | None
    total: int


@dataclass(frozen=True)
class FieldError:
    """One refused field: `rule` is a stable word such as `dns-1123-label`, `message` is for people.

    Among many, `index` says whose field it is.
    """

    field: str
    rule: str
    message: str
    index: int | None = None


class UnavailableError(Exception):
    """A part that the dashboard needs does not answer. Its text is one sentence for people."""


class RefusedError(Exception):
    """crud answered that it will not do it; `errors` names the fields, if any are to blame."""

    def __init__(self, status: int, title: str, detail: str = "", errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors


class MissingError(RefusedError):
    """There is no such row or dead letter (404)."""


class ConflictError(RefusedError):
    """The row has a newer generation than the one the change was made from (412)."""


class Configurations(Protocol):
    """The rows, on behalf of one person. Every call may raise UnavailableError or RefusedError."""

    def list(self, query: Query) -> Page:
        """Return one page of the rows that match."""
        ...

    def get(self, row_id: int) -> AppConfig:
        """Return one row, or raise MissingError."""
        ...

    def status(self, row_id: int) -> RowStatus:
        """Return what became of a row at each target."""
        ...

    def create(self, draft: Draft) -> AppConfig:
        """Save a new row and return it as saved."""
        ...

    def update(self, row_id: int, draft: Draft, generation: int) -> AppConfig:
        """Save `draft` if the row still has `generation`, else raise ConflictError."""
        ...

    def delete(self, row_id: int, generation: int) -> None:
        """Delete the row if it still has `generation`, else raise ConflictError."""
        ...


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
