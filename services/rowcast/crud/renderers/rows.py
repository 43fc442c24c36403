"""Reads of `rowcast.rows`. Every function works in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from sqlalchemy import ColumnElement, Connection, RowMapping, Text, case, cast, func, select

from rowcast.core.row import RowKey
from rowcast.crud.database.tables import row_statuses, rows
from rowcast.crud.deliveries.of_rows import state
from rowcast.crud.paging import Cursor, Page
from rowcast.crud.rows.text_search import contains_in_any_case

CURSOR = "rows"
State = Literal["synced", "pending", "failed", "deleted"]


@dataclass(frozen=True)
class RowFilter:
    """Which rows of a renderer a list has. Deleted ones are in none but their own."""

    renderer: str
    search: str | None = None
    state: State | None = None
    targets: Sequence[str] = ()


def page(connection: Connection, wanted: RowFilter, after: Cursor | None, limit: int) -> Page:
    """One page, in the order of keys, and the number of rows in the whole list."""
    conditions = _conditions(wanted)
    total = connection.execute(select(func.count()).select_from(rows).where(*conditions)).scalar_one()
    query = select(rows).where(*conditions).order_by(rows.c.key).limit(limit + 1)
    if after is not None:
        query = query.where(rows.c.key > unquote(after.key))
    found = connection.execute(query).mappings().all()
    more = len(found) > limit
    found = found[:limit]
    return Page(found, Cursor(CURSOR, quote(found[-1]["key"], safe=""), 0) if more else None, total)


def get(connection: Connection, row: RowKey) -> RowMapping | None:
    """One row; a deleted one as it was last."""
    query = select(rows).where(rows.c.renderer == row.renderer, rows.c.key == row.key)
    return connection.execute(query).mappings().one_or_none()


def _conditions(wanted: RowFilter) -> list[ColumnElement[bool]]:
    there = rows.c.deleted if wanted.state == "deleted" else ~rows.c.deleted
    conditions = [rows.c.renderer == wanted.renderer, rows.c.generation > 0, there]
    if wanted.search:
        conditions.append(
            contains_in_any_case(rows.c.key, wanted.search)
            | contains_in_any_case(cast(rows.c.row, Text), wanted.search)
        )
    if wanted.state in ("synced", "pending", "failed"):
        status = row_statuses.c
        its = (status.renderer == rows.c.renderer) & (status.key == rows.c.key)
        told = func.count().filter(state() == "synced", status.target.in_(wanted.targets)) == len(wanted.targets)
        overall = case((func.bool_or(state() == "failed"), "failed"), (told, "synced"), else_="pending")
        conditions.append(select(overall).where(its).correlate(rows).scalar_subquery() == wanted.state)
    return conditions
