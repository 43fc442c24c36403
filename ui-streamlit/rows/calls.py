"""`/renderers/{name}/rows` and what belongs to a row, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bulk.calls import line
from bulk.models import ImportLine
from client.decoding import required_moment
from client.sending import Params, Sending, given
from configurations.calls import target_status
from preview.calls import live
from renderers.calls import path
from rows.models import (
    Choice,
    Choices,
    Column,
    Columns,
    LiveRow,
    Reference,
    Row,
    RowsFormat,
    RowsPage,
    RowsQuery,
    RowVersion,
    RowVersions,
)
from rows.values import as_text


class RowCalls(Sending):
    """The calls of the page Rows."""

    def columns(self, renderer: str) -> Columns:
        """Return the columns of its table."""
        content = self._send("GET", path(renderer, "columns"))
        return Columns(
            bool(content.get("editable")), content.get("why") or "", tuple(map(column, content.get("columns") or ()))
        )

    def choices(self, renderer: str, column: str, search: str = "", limit: int = 50) -> Choices:
        """Return what a foreign key of one column may be: where `search` is a part of the value or its label."""
        content = self._send(
            "GET", path(renderer, "rows:choices"), params=given(column=column, search=search, limit=limit)
        )
        items = tuple(Choice(item["value"], item.get("label")) for item in content["items"])
        return Choices(items, bool(content.get("more")), content.get("why") or "")

    def rows(self, query: RowsQuery) -> RowsPage:
        """Return one page of the rows that match."""
        params = {**matching(query), **given(limit=query.limit, cursor=query.cursor)}
        content = self._send("GET", path(query.renderer, "rows"), params=params)
        items, total = tuple(map(row, content["items"])), content["total"]
        return RowsPage(items, content.get("next_cursor"), total, content.get("total_capped", False))

    def row(self, renderer: str, key: str) -> Row:
        """Return one row, also a deleted one, or raise MissingError."""
        return row(self._send("GET", row_path(renderer, key)))

    def row_history(self, renderer: str, key: str, cursor: str | None = None, limit: int = 20) -> RowVersions:
        """Return a part of a row's past, newest first."""
        content = self._send("GET", path(renderer, "history"), params={"key": key, **given(limit=limit, cursor=cursor)})
        return RowVersions(tuple(map(version, content["items"])), content.get("next_cursor"))

    def row_live(self, renderer: str, key: str) -> tuple[LiveRow, ...]:
        """Return what each target has of a row now."""
        content = self._send("GET", path(renderer, "live"), params={"key": key})
        return tuple(live_row({"target": target, **found}) for target, found in content["targets"].items())

    def create_row(self, renderer: str, values: Mapping[str, Any]) -> Row:
        """Save a new row and return it as captured; a column without a value has its default."""
        return row(self._send("POST", path(renderer, "rows"), body={"values": dict(values)}))

    def change_row(self, renderer: str, key: str, values: Mapping[str, Any], generation: int) -> Row:
        """Give a row new `values` if it still has `generation`, else raise ConflictError."""
        body = {"values": dict(values)}
        return row(self._send("PATCH", row_path(renderer, key), body=body, generation=generation))

    def delete_row(self, renderer: str, key: str, generation: int) -> None:
        """Delete a row if it still has `generation`, else raise ConflictError."""
        self._send("DELETE", row_path(renderer, key), generation=generation)

    def export_rows(self, query: RowsQuery, kind: RowsFormat) -> bytes:
        """Return the file of all rows that match, on whatever page they are."""
        return self._download(path(query.renderer, "rows:export"), {**matching(query), "format": kind})

    def import_table(
        self, renderer: str, rows: Sequence[Mapping[str, Any]], *, dry_run: bool, partial: bool = False
    ) -> tuple[ImportLine, ...]:
        """Create or change rows (at most 1,000) by their keys, and return a line for each of them."""
        content = self._send(
            "POST",
            path(renderer, "rows:import"),
            params={"dry_run": str(dry_run).lower()},
            body={"rows": [dict(values) for values in rows], **({"partial": True} if partial else {})},
        )
        return tuple(line({**item, "name": item.get("key"), "fields": _texts(item)}) for item in content["lines"])


def _texts(item: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    return {name: (_shown(before), _shown(after)) for name, (before, after) in (item.get("fields") or {}).items()}


def _shown(value: Any) -> str:
    return "NULL" if value is None else as_text(value)


def row_path(renderer: str, key: str) -> str:
    """Return the path of one row, as the sidecar has to be asked for it.

    It decodes a path once, tidies up what it then looks like (`//`, `..`), and refuses `#`, `?` and `%` (Dapr 1.18).
    What is encoded twice, dots as well, gets to crud as it is; encoded once, a key `a%2Fb` would be the row `a/b`.
    """
    encoded = quote(key, safe="").replace(".", "%2E")
    return path(renderer, "rows", quote(encoded, safe=""))


def matching(query: RowsQuery) -> Params:
    """Return which rows a list has, and in which order, as the query says it: only what is not so anyway."""
    by = RowsQuery(query.renderer).sort
    filters = [f"{name}={value}" for name, value in query.filters]
    return {
        **given(search=query.search, state=query.state, environment=query.environment),
        **given(sort="" if query.sort == by else query.sort, order="desc" if query.descending else ""),
        **({"filter": filters} if filters else {}),
    }


def column(content: Mapping[str, Any]) -> Column:
    """Return one column."""
    values, references = content.get("values"), content.get("references")
    return Column(
        name=content["name"],
        type=content["type"],
        nullable=bool(content.get("nullable")),
        has_default=bool(content.get("has_default")),
        generated=bool(content.get("generated")),
        key=bool(content.get("key")),
        values=None if values is None else tuple(values),
        references=Reference(references["table"], references["column"]) if references else None,
    )


def row(content: Mapping[str, Any]) -> Row:
    """Return one row."""
    return Row(
        renderer=content["renderer"],
        key=content["key"],
        generation=content["generation"],
        revision=content["revision"],
        deleted=bool(content.get("deleted")),
        values=content["row"],
        actor=content.get("actor") or "",
        changed_at=required_moment(content["changed_at"]),
        sync=tuple(target_status(target, status) for target, status in (content.get("targets") or {}).items()),
        environment=content.get("environment"),
    )


def version(content: Mapping[str, Any]) -> RowVersion:
    """Return what a row said once."""
    return RowVersion(
        generation=content["generation"],
        revision=content["revision"],
        deleted=bool(content.get("deleted")),
        values=content.get("row") or {},
        actor=content.get("actor") or "",
        changed_at=required_moment(content["changed_at"]),
    )


def live_row(content: Mapping[str, Any]) -> LiveRow:
    """Return what one target has."""
    difference = "\n".join(content.get("difference") or ())
    return LiveRow(**vars(live(content)), difference=difference, refusal=content.get("error") or "")
