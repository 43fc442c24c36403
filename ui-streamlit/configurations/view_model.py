"""From rows to what a page shows: pure, with the time of looking passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from client.errors import FieldError
from configurations.models import FIELDS, AppConfig, Filter, Sort, State, TargetStatus
from shared.formatting import TARGETS, ago, sentence, target_label

Colour = Literal["green", "orange", "red", "gray"]
Shown = Literal["synced", "pending", "overdue", "failed", "elsewhere", "proposed", "committed", "healthy"]

ELSEWHERE: Final = "elsewhere"
"""What a target reports of a row whose environment it does not deliver."""
COLOURS: Final[Mapping[Shown, Colour]] = {
    "synced": "green",
    "pending": "orange",
    "overdue": "red",
    "failed": "red",
    "elsewhere": "gray",
    "proposed": "orange",
    "committed": "orange",
    "healthy": "green",
}
STAGES: Final[Mapping[str, Shown]] = {
    "proposed": "proposed",
    "committed": "committed",
    "synced": "synced",
    "healthy": "healthy",
    "failed": "failed",
}
FILTERS: Final[tuple[Filter, ...]] = ("synced", "pending", "overdue", "failed", "deleting")
SORTS: Final[Mapping[Sort, str]] = {
    "-updated_at": "Last changed first",
    "updated_at": "First changed first",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "-id": "Newest first",
    "id": "Oldest first",
}
GIT_SHA_LENGTH: Final = 40


@dataclass(frozen=True)
class Table:
    """The list as columns of equal length; `ids[n]` is the row behind line n."""

    ids: tuple[int, ...]
    columns: Mapping[str, tuple[str, ...]]
    states: Mapping[str, tuple[str, ...]]


class Delivered(Protocol):
    """A row of any table, with a status per target."""

    @property
    def sync(self) -> tuple[TargetStatus, ...]:
        """What became of it at each target."""
        ...


def targets_of(rows: Iterable[Delivered]) -> tuple[str, ...]:
    """Return every target that a row names: the known ones in their own order, then the others by name."""
    return tuple(sorted({status.target for row in rows for status in row.sync}, key=_target_order))


def in_order(statuses: Iterable[TargetStatus]) -> tuple[TargetStatus, ...]:
    """Return the statuses in the order in which the list has its targets."""
    return tuple(sorted(statuses, key=lambda status: _target_order(status.target)))


def _target_order(target: str) -> tuple[int, str]:
    return (list(TARGETS).index(target) if target in TARGETS else len(TARGETS), target)


def state_at(row: Delivered, target: str) -> State:
    """Return the row's state at `target`: one that has not reported yet is pending, never missing."""
    return next((status.state for status in row.sync if status.target == target), "pending")


def shown_at(row: Delivered, target: str) -> Shown:
    """Return the word for it: one that has been pending for too long is overdue."""
    return next((shown(status) for status in row.sync if status.target == target), "pending")


def shown(status: TargetStatus) -> Shown:
    """Return the word for a status."""
    if status.state == "synced" and status.outcome == ELSEWHERE:
        return "elsewhere"
    if status.state == "synced" and (status.stage or "") in STAGES:
        return STAGES[status.stage or ""]
    return "overdue" if status.overdue else status.state


def table(rows: Iterable[AppConfig], now: datetime) -> Table:
    """Return the list as it is seen at `now`; without any target known, the usual ones are pending."""
    rows = tuple(rows)
    return Table(
        ids=tuple(row.id for row in rows),
        columns={
            "Name": tuple(row.name for row in rows),
            "Environment": tuple(row.environment for row in rows),
            "Repository": tuple(short_url(row.repository_url) for row in rows),
            "Branch": tuple(row.branch for row in rows),
            "Changed": tuple(ago(row.updated_at, now) for row in rows),
            "By": tuple(row.updated_by for row in rows),
        },
        states={
            target_label(target): tuple(shown_at(row, target) for row in rows)
            for target in targets_of(rows) or tuple(TARGETS)
        },
    )


def short_url(url: str) -> str:
    """Return a repository's URL without what all of them share, so that the part that differs is seen."""
    return url.removeprefix("https://").removesuffix(".git")


def kind(status: TargetStatus) -> str:
    """Return what a target delivers to: `k8s` or `git`."""
    return status.kind or status.target


def reference(status: TargetStatus) -> str:
    """Return what the target calls the delivered state: a commit's short hash, or a resource version."""
    if not status.reference:
        return ""
    if kind(status) == "git" or len(status.reference) == GIT_SHA_LENGTH:
        return f"commit {status.reference[:10]}"
    return f"resource version {status.reference}" if kind(status) == "k8s" else status.reference


def by_field(errors: Iterable[FieldError]) -> Mapping[str, str]:
    """Return the first message of each field that the form has."""
    messages: dict[str, str] = {}
    for error in errors:
        field = error.field.removeprefix("body.")
        if field in FIELDS:
            messages.setdefault(field, sentence(error.message or error.rule))
    return messages


def row_id(text: str | None) -> int | None:
    """Return the row that a link names, or None if it names none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 19 else None
