"""What the dashboard knows of rows of any table, and the port through which it gets and changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from bulk.models import ImportLine
from configurations.models import TargetStatus
from preview.models import Live

RowState = Literal["synced", "pending", "failed", "deleted"]
RowsFormat = Literal["csv", "ndjson"]


@dataclass(frozen=True)
class Reference:
    """What a foreign key of one column refers to."""

    table: str
    column: str


@dataclass(frozen=True)
class Column:
    """A column of a renderer's table, as PostgreSQL's catalogue has it; `values` are an enum's, in their order."""

    name: str
    type: str
    nullable: bool = True
    has_default: bool = False
    generated: bool = False
    key: bool = False
    values: tuple[str, ...] | None = None
    references: Reference | None = None


@dataclass(frozen=True)
class Choice:
    """One value that a foreign key may have, as text; `label` is what people know its row by, if there is anything."""

    value: str
    label: str | None = None


@dataclass(frozen=True)
class Choices:
    """Some of them, by their values; `more`: there are others. `why` says why there are none: the GRANT that lacks."""

    items: tuple[Choice, ...]
    more: bool = False
    why: str = ""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, and `why` its rows can't be changed if they are not `editable`."""

    editable: bool
    why: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Row:
    """One row as it was captured, by the `revision` of its renderer; a deleted one as it was last.

    `sync` holds a status per target; `environment` is None where it isn't known.
    """

    renderer: str
    key: str
    generation: int
    revision: int
    deleted: bool
    values: Mapping[str, Any]
    actor: str
    changed_at: datetime
    sync: tuple[TargetStatus, ...] = ()
    environment: str | None = None


@dataclass(frozen=True)
class RowsQuery:
    """Which rows a list has: `filters` are (column, value), and all of them must be true.

    `sort` is `key`, `changed_at`, `generation`, or a column.
    """

    renderer: str
    search: str = ""
    state: RowState | None = None
    filters: tuple[tuple[str, str], ...] = ()
    environment: str = ""
    sort: str = "key"
    descending: bool = False
    limit: int = 20
    cursor: str | None = None


@dataclass(frozen=True)
class RowsPage:
    """One page of rows; `total` counts all that match, `next_cursor` is None on the last page.

    `total_capped`: more match than `total`.
    """

    items: tuple[Row, ...]
    next_cursor: str | None
    total: int
    total_capped: bool = False


@dataclass(frozen=True)
class RowVersion:
    """What a row said from `changed_at` on; the last thing that it said, where it was `deleted`."""

    generation: int
    revision: int
    deleted: bool
    values: Mapping[str, Any]
    actor: str
    changed_at: datetime


@dataclass(frozen=True)
class RowVersions:
    """A part of a row's past, newest first; `next_cursor` is None where it began."""

    items: tuple[RowVersion, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class LiveRow(Live):
    """What one target has of a row now; `difference` leads from there to what its table asks for.

    `refusal` says why the target would not take that.
    """

    difference: str = ""
    refusal: str = ""


class Rows(Protocol):
    """The rows of all renderers, on behalf of one person. Every call may raise UnavailableError or RefusedError."""

    def columns(self, renderer: str) -> Columns:
        """Return the columns of its table."""
        ...

    def choices(self, renderer: str, column: str, search: str = "", limit: int = 50) -> Choices:
        """Return what a foreign key of one column may be: where `search` is a part of the value or its label."""
        ...

    def rows(self, query: RowsQuery) -> RowsPage:
        """Return one page of the rows that match."""
        ...

    def row(self, renderer: str, key: str) -> Row:
        """Return one row, also a deleted one, or raise MissingError."""
        ...

    def row_history(self, renderer: str, key: str, cursor: str | None = None, limit: int = 20) -> RowVersions:
        """Return a part of a row's past, newest first."""
        ...

    def row_live(self, renderer: str, key: str) -> tuple[LiveRow, ...]:
        """Return what each target has of a row now."""
        ...

    def create_row(self, renderer: str, values: Mapping[str, Any]) -> Row:
        """Save a new row and return it as captured; a column without a value has its default."""
        ...

    def change_row(self, renderer: str, key: str, values: Mapping[str, Any], generation: int) -> Row:
        """Give a row new `values` if it still has `generation`, else raise ConflictError."""
        ...

    def delete_row(self, renderer: str, key: str, generation: int) -> None:
        """Delete a row if it still has `generation`, else raise ConflictError."""
        ...

    def export_rows(self, query: RowsQuery, kind: RowsFormat) -> bytes:
        """Return the file of all rows that match, on whatever page they are."""
        ...

    def import_table(
        self, renderer: str, rows: Sequence[Mapping[str, Any]], *, dry_run: bool, partial: bool = False
    ) -> tuple[ImportLine, ...]:
        """Create or change rows (at most 1,000) by their keys, and return a line for each of them."""
        ...
