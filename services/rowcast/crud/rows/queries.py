"""Reads of the list, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    func,
    or_,
    select,
    tuple_,
)

from rowcast.core.policy import EVERYTHING, Reach
from rowcast.crud.access.within import both_within, within
from rowcast.crud.database.tables import app_configs, deletions, gitops_progress, history, sync_statuses
from rowcast.crud.database.text_search import contains_in_any_case
from rowcast.crud.deliveries import gitops, states
from rowcast.crud.deliveries.deletions import on_its_way
from rowcast.crud.paging import Cursor, Page, counted

State = states.Overall | Literal["overdue", "deleting"]

SORTABLE = ("name", "updated_at", "id")


@dataclass(frozen=True)
class ListFilter:
    """Which rows a list has; None means any. `state` is over all of `targets`, and over those that reported besides.

    A row is overdue when it has been pending at a target for longer than `patience`.
    """

    environment: str | None = None
    search: str | None = None
    state: State | None = None
    targets: Sequence[str] = ()
    patience: timedelta = timedelta(minutes=1)
    seen: Reach = EVERYTHING
    """In which environments rows are there for who asks."""

    @property
    def source(self) -> Table:
        """Where the list's rows are."""
        return deletions if self.state == "deleting" else app_configs


def list_page(connection: Connection, wanted: ListFilter, sort: str, after: Cursor | None, limit: int) -> Page:
    """One page in the order `sort`, a name of SORTABLE, descending with a `-` before it."""
    conditions, source = _conditions(connection, wanted), wanted.source
    query = _ordered(select(source).where(*conditions), sort, source)
    if after is not None:
        query = query.where(_after(sort, after, source))
    rows = connection.execute(query.limit(limit + 1)).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    whole = after is None and not more
    total, capped = (len(rows), False) if whole else counted(connection, source, conditions)
    return Page(rows, _cursor(sort, rows[-1]) if more else None, total, capped)


def whole_list(connection: Connection, wanted: ListFilter, sort: str) -> Select[Any]:
    """All rows of a list in the order `sort`, as in `list_page`; for this transaction."""
    return _ordered(select(wanted.source).where(*_conditions(connection, wanted)), sort, wanted.source)


def history_page(
    connection: Connection, row_id: int, before: Cursor | None, limit: int, seen: Reach = EVERYTHING
) -> Page:
    """A row's history, newest first, of what it was in environments that are `seen`. `total` isn't counted (0)."""
    query = select(history).where(history.c.row_id == row_id, of_history(seen)).order_by(history.c.id.desc())
    if before is not None:
        query = query.where(history.c.id < before.row_id)
    rows = connection.execute(query.limit(limit + 1)).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, Cursor("history", "", rows[-1]["id"]) if more else None, 0)


def of_history(seen: Reach) -> ColumnElement[bool]:
    """Whether both sides of a change are within: a row that moves shows both."""
    return both_within(seen, history.c.before["environment"].astext, history.c.after["environment"].astext)


def last_environment(connection: Connection, row_id: int) -> str | None:
    """Where a row is, or was when it went; None if it never was."""
    here = connection.execute(select(app_configs.c.environment).where(app_configs.c.id == row_id)).scalar_one_or_none()
    if here is not None:
        return str(here)
    last = func.coalesce(history.c.after["environment"].astext, history.c.before["environment"].astext)
    query = select(last).where(history.c.row_id == row_id).order_by(history.c.id.desc()).limit(1)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def statuses(connection: Connection, row_ids: Sequence[int]) -> Sequence[RowMapping]:
    """The sync statuses of these rows, each with its `state`, since when it would be pending, and its `stage`.

    The rows may be gone.
    """
    joined = sync_statuses.outerjoin(app_configs, app_configs.c.id == sync_statuses.c.row_id)
    joined = joined.outerjoin(deletions, deletions.c.id == sync_statuses.c.row_id)
    joined = joined.outerjoin(gitops_progress, gitops_progress.c.target == sync_statuses.c.target)
    since = func.coalesce(states.pending_since(), deletions.c.deleted_at)
    its = [column for column in sync_statuses.c if column.name not in ("stage", "stage_error")]
    columns = (
        *its,
        states.state().label("state"),
        since.label("pending_since"),
        gitops.stage().label("stage"),
        gitops.stage_error().label("stage_error"),
        gitops.settled_at().label("settled_at"),
    )
    query = select(*columns).select_from(joined)
    return connection.execute(query.where(sync_statuses.c.row_id.in_(row_ids))).mappings().all()


def deleted_at(connection: Connection, row_id: int) -> datetime | None:
    """When a row was deleted that is not gone from every target yet; None for any other."""
    return connection.execute(select(deletions.c.deleted_at).where(deletions.c.id == row_id)).scalar_one_or_none()


def _conditions(connection: Connection, wanted: ListFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    row = wanted.source.c
    if not wanted.seen.everything:
        conditions.append(within(wanted.seen, row.environment))
    if wanted.environment is not None:
        conditions.append(row.environment == wanted.environment)
    if wanted.search:
        searched = (row.name, row.repository_url, row.branch)
        conditions.append(or_(*(contains_in_any_case(column, wanted.search) for column in searched)))
    match wanted.state:
        case None:
            pass
        case "deleting":
            conditions.append(on_its_way(wanted.targets))
        case "overdue":
            conditions.append(states.overdue(connection, wanted.targets, wanted.patience))
        case state:
            conditions.append(states.in_state(connection, state, wanted.targets))
    return conditions


def _ordered(query: Select[Any], sort: str, source: Table) -> Select[Any]:
    key = source.c[sort.removeprefix("-")]
    if sort.startswith("-"):
        return query.order_by(key.desc(), source.c.id.desc())
    return query.order_by(key, source.c.id)


def _after(sort: str, cursor: Cursor, source: Table) -> ColumnElement[bool]:
    here = tuple_(source.c[sort.removeprefix("-")], source.c.id)
    there = tuple_(_key(sort, cursor.key), cursor.row_id)
    return and_(here < there) if sort.startswith("-") else and_(here > there)


def _cursor(sort: str, row: RowMapping) -> Cursor:
    value = row[sort.removeprefix("-")]
    return Cursor(sort, value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value), row["id"])


def _key(sort: str, key: str) -> str | int | datetime:
    match sort.removeprefix("-"):
        case "id":
            return int(key)
        case "updated_at":
            return datetime.fromisoformat(key)
        case _:
            return key
