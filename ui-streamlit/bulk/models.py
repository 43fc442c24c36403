"""Changes of many configurations at once, and the port through which the dashboard makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from client.errors import FieldError
from configurations.models import AppConfig, Query

Action = Literal["create", "change", "none", "refuse"]
Format = Literal["csv", "yaml", "json"]
# What crud takes in one request.
MOST: Final = 1000


@dataclass(frozen=True)
class ImportLine:
    """What becomes of one row of an import; `index` counts the rows from 0, `fields` has (before, after)."""

    index: int
    name: str
    action: Action
    row_id: int | None = None
    fields: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True)
class ImportReport:
    """What an import does, or would do, line by line."""

    lines: tuple[ImportLine, ...]

    def count(self, action: Action) -> int:
        """Return how many lines have `action`."""
        return sum(line.action == action for line in self.lines)


class Bulk(Protocol):
    """Many rows at once. Every call may raise UnavailableError or RefusedError."""

    def delete_all(self, rows: Sequence[AppConfig]) -> None:
        """Delete the rows (1 to 1,000), all or none, if each still has its generation; else raise RefusedError.

        The index of each of its errors is a position in `rows`.
        """
        ...

    def change_all(self, rows: Sequence[AppConfig], values: Mapping[str, str]) -> None:
        """Give the rows (1 to 1,000) new `values`, such as `{"branch": "next"}`; as delete_all."""
        ...

    def import_rows(
        self, rows: Sequence[Mapping[str, str]], *, dry_run: bool, partial: bool = False
    ) -> tuple[ImportLine, ...]:
        """Create or change rows (at most 1,000) by their names, and return a line for each of them.

        If any is refused, nothing is changed and RefusedError is raised, unless `dry_run` or `partial`.
        """
        ...

    def export(self, query: Query, kind: Format) -> bytes:
        """Return the file of all rows that match, on whatever page they are."""
        ...
