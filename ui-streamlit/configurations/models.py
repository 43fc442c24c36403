"""What the dashboard knows of a configuration, and the port through which it gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

State = Literal["synced", "pending", "failed"]
Filter = Literal["synced", "pending", "failed", "overdue", "deleting"]
Sort = Literal["name", "-name", "updated_at", "-updated_at", "id", "-id"]

APP_CONFIGS: Final = "appconfigs"
"""What the policy, and all that is of several renderers, calls them."""
FIELDS: Final[Mapping[str, str]] = {
    "name": "Name",
    "repository_url": "Repository URL",
    "branch": "Branch",
    "environment": "Environment",
    "application": "Application",
}


@dataclass(frozen=True)
class Draft:
    """The fields that a person may write; an empty `application` is for crud to fill in."""

    name: str
    repository_url: str
    branch: str
    environment: str
    application: str = ""


@dataclass(frozen=True)
class TargetStatus:
    """What became of a row at one target; `times` are saved, captured, delivered and recorded, where known.

    One that is pending for longer than crud's setting is `overdue`. `stage` is how far it has come beyond its delivery,
    where somebody follows: `proposed` (by the pull request at `link`), `committed`, `synced`, `healthy`, or `failed`;
    `stage_error` says what it waits for, or what is wrong. `kind` is the target's, where it isn't called as that is.
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
    kind: str = ""


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
    application: str = ""

    @property
    def draft(self) -> Draft:
        """The fields that a person may write alone."""
        return Draft(self.name, self.repository_url, self.branch, self.environment, self.application)


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
    """One page of rows; `total` counts all that match, `next_cursor` is None on the last page.

    `total_capped`: more match than `total`.
    """

    items: tuple[AppConfig, ...]
    next_cursor: str | None
    total: int
    total_capped: bool = False


@dataclass(frozen=True)
class RowStatus:
    """The delivery of one row; `generation` is None when the row is gone."""

    generation: int | None
    targets: tuple[TargetStatus, ...]


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
