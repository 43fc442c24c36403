"""`POST /appconfigs:batch`, `:import` and `GET /appconfigs:export`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bulk.models import Format, ImportLine
from client.errors import FieldError
from client.sending import Sending, given
from configurations.models import AppConfig, Query


class BulkCalls(Sending):
    """The calls that change many rows, and the one that gives all of them."""

    def delete_all(self, rows: Sequence[AppConfig]) -> None:
        """Delete the rows, all or none, if each still has its generation."""
        items = [{"action": "delete", "id": row.id, "generation": row.generation} for row in rows]
        self._send("POST", "/appconfigs:batch", body={"items": items})

    def change_all(self, rows: Sequence[AppConfig], values: Mapping[str, str]) -> None:
        """Give the rows new `values`, all or none, if each still has its generation."""
        items = [
            {"action": "update", "id": row.id, "generation": row.generation, "config": dict(values)} for row in rows
        ]
        self._send("POST", "/appconfigs:batch", body={"items": items})

    def import_rows(
        self, rows: Sequence[Mapping[str, str]], *, dry_run: bool, partial: bool = False
    ) -> tuple[ImportLine, ...]:
        """Create or change rows by their names, and return a line for each of them."""
        body = {"rows": [dict(row) for row in rows], "dry_run": dry_run, **({"partial": True} if partial else {})}
        return tuple(line(item) for item in self._send("POST", "/appconfigs:import", body=body)["lines"])

    def export(self, query: Query, kind: Format) -> bytes:
        """Return the file of all rows that match."""
        params = given(
            format=kind, sort=query.sort, search=query.search, environment=query.environment, state=query.state
        )
        return self._download("/appconfigs:export", params)


def line(content: Mapping[str, Any]) -> ImportLine:
    """Return what becomes of one row."""
    errors = content.get("errors") or ()
    return ImportLine(
        index=content["index"],
        name=content.get("name") or "",
        action=content["action"],
        row_id=content.get("row_id"),
        fields={name: (before, after) for name, (before, after) in (content.get("fields") or {}).items()},
        errors=tuple(FieldError(error.get("field", ""), error.get("rule", ""), error["message"]) for error in errors),
    )
