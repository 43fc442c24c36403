"""Reads of the list, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, case, exists, func, or_, select, tuple_

from rowcast.crud.cursors import Cursor
from rowcast.crud.errors import FieldError
from rowcast.crud.models import app_configs, history, sync_statuses

State = Literal["synced", "pending", "failed"]

SORTABLE = {"name": app_configs.c.name, "updated_at": app_configs.c.updated_at, "id": app_configs.c.id}


@dataclass(frozen=True)
class ListFilter:
    """Which rows a list has; None means any. `state` is over all of `targets`, and over those that reported besides."""

    environment: str | None = None
    search: str | None = None
    state: State | None = None
    targets: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """Rows of one page, the cursor after them (None at the end) and the number of rows in the whole list."""

    rows: Sequence[RowMapping]
    next_cursor: Cursor | None
    total: int


def list_page(connection: Connection, wanted: ListFilter, sort: str, after: Cursor | None, limit: int) -> Page:
    """One page in the order `sort`, a name of SORTABLE, descending with a `-` before it."""
    conditions = _conditions(wanted)
    query = _ordered(select(app_configs).where(*conditions), sort)
    if after is not None:
        query = query.where(_after(sort, after))
    rows = connection.execute(query.limit(limit + 1)).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    whole = after is None and not more
    count = select(func.count()).select_from(app_configs).where(*conditions)
    total = len(rows) if whole else connection.execute(count).scalar_one()
    return Page(rows, _cursor(sort, rows[-1]) if more else None, total)


def history_page(connection: Connection, row_id: int, before: Cursor | None, limit: int) -> Page:
    """A row's history, newest first. `total` isn't counted (0)."""
    query = select(history).where(history.c.row_id == row_id).order_by(history.c.id.desc())
    if before is not None:
        query = query.where(history.c.id < before.row_id)
    rows = connection.execute(query.limit(limit + 1)).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, Cursor("history", "", rows[-1]["id"]) if more else None, 0)


def statuses(connection: Connection, row_ids: Sequence[int]) -> Sequence[RowMapping]:
    """The sync statuses of these rows, each with its `state`; rows may be gone."""
    joined = sync_statuses.outerjoin(app_configs, app_configs.c.id == sync_statuses.c.row_id)
    query = select(sync_statuses, _state().label("state")).select_from(joined)
    return connection.execute(query.where(sync_statuses.c.row_id.in_(row_ids))).mappings().all()


def _state() -> ColumnElement[str]:
    status, row = sync_statuses.c, app_configs.c
    current = case(
        (row.id.is_(None), status.deleted), else_=~status.deleted & (status.observed_generation >= row.generation)
    )
    failed = _failure()
    # A failure of a generation that has been passed by says nothing of the present one.
    failed_now = failed & func.coalesce(status.observed_generation >= row.generation, True)
    return case((failed_now, "failed"), (current & ~failed, "synced"), else_="pending")


def _failure() -> ColumnElement[bool]:
    """As the index sync_statuses_failed has it."""
    return (sync_statuses.c.outcome == "dead-lettered") | sync_statuses.c.error.is_not(None)


def _in_state(state: State, targets: Sequence[str]) -> ColumnElement[bool]:
    """A listed row whose targets, taken together, are in this state: one that failed counts before one that waits."""
    status, row = sync_statuses.c, app_configs.c
    its = status.row_id == row.id
    failed = _failure() & (status.observed_generation >= row.generation)
    if state == "failed":
        return exists().where(its, failed)
    current = ~status.deleted & (status.observed_generation >= row.generation) & ~_failure()
    synced = func.count().filter(current, status.target.in_(targets)) == len(targets)
    # One look at a row's statuses: three of them, one a condition, take three times as long.
    overall = case((func.bool_or(failed), "failed"), (synced & func.bool_and(current), "synced"), else_="pending")
    return select(overall).where(its).scalar_subquery() == state


def _conditions(wanted: ListFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.environment is not None:
        conditions.append(app_configs.c.environment == wanted.environment)
    if wanted.search:
        columns = (app_configs.c.name, app_configs.c.repository_url, app_configs.c.branch)
        conditions.append(or_(*(column.icontains(wanted.search, autoescape=True) for column in columns)))
    if wanted.state is not None:
        conditions.append(_in_state(wanted.state, wanted.targets))
    return conditions


def _ordered(query: Select[Any], sort: str) -> Select[Any]:
    column = SORTABLE[sort.removeprefix("-")]
    if sort.startswith("-"):
        return query.order_by(column.desc(), app_configs.c.id.desc())
    return query.order_by(column, app_configs.c.id)


def _after(sort: str, cursor: Cursor) -> ColumnElement[bool]:
    column = SORTABLE[sort.removeprefix("-")]
    here = tuple_(column, app_configs.c.id)
    there = tuple_(_key(sort, cursor.key), cursor.row_id)
    return and_(here < there) if sort.startswith("-") else and_(here > there)


def _cursor(sort: str, row: RowMapping) -> Cursor:
    value = row[sort.removeprefix("-")]
    return Cursor(sort, value.isoformat() if isinstance(value, datetime) else str(value), row["id"])


def _key(sort: str, key: str) -> str | int | datetime:
    try:
        match sort.removeprefix("-"):
            case "id":
                return _bigint(key)
            case "updated_at":
                return datetime.fromisoformat(key)
            case _:
                return key
    except ValueError:
        raise FieldError("cursor", "cursor", "is not a cursor that this API gave out") from None


def _bigint(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number
