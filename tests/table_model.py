"""A model of `app_configs`: rows with unique names, and the log of their changes as Debezium would tell them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rowcast.core.events import Change, decode
from unit.core.changes import event

NAMES = ("a", "b", "c")
ENVIRONMENTS = ("dev", "prod")


@dataclass(frozen=True)
class Row:
    """One row, as far as the tests change it."""

    id: int
    generation: int
    name: str
    environment: str

    @property
    def fields(self) -> dict[str, Any]:
        """What `unit.core.changes` makes a whole row of; every generation has a branch of its own."""
        return {
            "row_id": self.id,
            "generation": self.generation,
            "name": self.name,
            "environment": self.environment,
            "branch": f"release-{self.generation}",
        }


class Table:
    """What it is asked for, it does: that a name is free is for the caller to see to."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.log: list[Change] = []
        self.lsn = 100
        self._next_id = 1

    def free(self) -> list[str]:
        """The names that no row has."""
        taken = {row.name for row in self.rows.values()}
        return [name for name in NAMES if name not in taken]

    def create(self, name: str, environment: str = "dev") -> None:
        """Insert a row."""
        self._save(Row(self._next_id, 1, name, environment))
        self._next_id += 1

    def change(self, row_id: int, **fields: str) -> None:
        """Update a row: its generation rises."""
        row = self.rows[row_id]
        self._save(replace(row, generation=row.generation + 1, **fields))  # type: ignore[arg-type]

    def delete(self, row_id: int) -> None:
        """Delete a row."""
        self._note("d", self.rows.pop(row_id))

    def _save(self, row: Row) -> None:
        self.rows[row.id] = row
        self._note("c" if row.generation == 1 else "u", row)

    def _note(self, op: str, row: Row) -> None:
        self.lsn += 1
        self.log.append(decode(event(op, self.lsn, **row.fields)))
