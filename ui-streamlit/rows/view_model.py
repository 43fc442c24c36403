"""From rows of any table to what their list shows: pure, with the time of looking passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from configurations.view_model import shown_at, targets_of
from rows import values
from rows.models import Column, Row, RowState
from shared.formatting import TARGETS, ago, target_label

FILTERS: Final[tuple[RowState, ...]] = ("synced", "pending", "failed", "deleted")
OWN_SORTS: Final[Mapping[str, str]] = {"key": "Key", "changed_at": "Changed", "generation": "Generation"}
KEY, ENVIRONMENT, CHANGED, BY = "Key", "Environment", "Changed", "By"
LONGEST: Final = 200
"""Characters of a value in a list."""


@dataclass(frozen=True)
class RowsTable:
    """The list as columns of equal length, and the `order` of their labels."""

    columns: Mapping[str, tuple[str, ...]]
    states: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]


def column_names(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns that a list has: the table's, or what rows say where nobody tells of the table."""
    return tuple(column.name for column in columns) or tuple(dict.fromkeys(name for row in rows for name in row.values))


def table(rows: Sequence[Row], columns: Sequence[Column], now: datetime) -> RowsTable:
    """Return the list as it is seen at `now`; without any target known, the usual ones are pending."""
    states = {
        target_label(target): tuple(shown_at(row, target) for row in rows)
        for target in targets_of(rows) or tuple(TARGETS)
    }
    ours = {
        KEY: tuple(row.key for row in rows),
        ENVIRONMENT: tuple(row.environment or "" for row in rows),
        CHANGED: tuple(ago(row.changed_at, now) for row in rows),
        BY: tuple(row.actor for row in rows),
    }
    keys = {column.name for column in columns if column.key}
    # A key of one column stands in the list already.
    names = tuple(name for name in column_names(columns, rows) if keys != {name})
    # A table may call its own columns as we call ours.
    labels = {name: f"{name} (column)" if name in {*ours, *states} else name for name in names}
    theirs = {labels[name]: tuple(values.as_text(row.values.get(name))[:LONGEST] for row in rows) for name in names}
    return RowsTable({**ours, **theirs}, states, (KEY, *states, ENVIRONMENT, *theirs, CHANGED, BY))
