"""Reads of `rowcast.rows` and of their history. Every function works in the caller's transaction."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Numeric,
    RowMapping,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    null,
    select,
    true,
    tuple_,
)

from rowcast.core.policy import EVERYTHING, Reach
from rowcast.core.row import RowKey
from rowcast.crud.access.within import within
from rowcast.crud.database.tables import environments, row_history, row_statuses, rows
from rowcast.crud.database.text_search import contains_in_any_case
from rowcast.crud.deliveries import outstanding
from rowcast.crud.deliveries.of_rows import failed, few_failed, of_others, state
from rowcast.crud.errors import FieldError
from rowcast.crud.paging import Cursor, Page, counted
from rowcast.crud.sources.environments import OF_ROW, Environments

State = Literal["synced", "pending", "failed", "deleted"]
KEY, CHANGED_AT, GENERATION = "key", "changed_at", "generation"
SORTED_TEXT = 200
"""Characters of a value by which rows are sorted, so that a cursor stays short; among equal ones keys decide."""
OWN = (KEY, CHANGED_AT, GENERATION)
"""What every row is sorted by; any other name is a column's."""
HISTORY = "row-history"
_CURSOR = "rows:"
_NUMBER = r"^-?(\d+(\.\d+)?([eE][-+]?\d{1,3})?|Infinity)$|^NaN$"
_ITS = (row_statuses.c.renderer == rows.c.renderer) & (row_statuses.c.key == rows.c.key)


@dataclass(frozen=True)
class RowFilter:
    """Which rows of a renderer a list has. Deleted ones are in none but their own. `values`: of columns, as text."""

    renderer: str
    search: str | None = None
    state: State | None = None
    targets: Sequence[str] = ()
    values: Sequence[tuple[str, str]] = ()
    environment: str | None = None
    seen: Reach = EVERYTHING
    """In which environments rows are there for who asks."""


@dataclass(frozen=True)
class Order:
    """`by` is `key`, `changed_at`, `generation`, or a column: of numbers, or else as text. NULL is the greatest."""

    by: str = KEY
    descending: bool = False
    numeric: bool = False

    @property
    def name(self) -> str:
        """As cursors have it."""
        return f"{_CURSOR}{'-' if self.descending else ''}{self.by}"


def order_of(cursor: Cursor) -> Order:
    """The order that a cursor is of. Raises FieldError for a cursor of another list."""
    if not cursor.sort.startswith(_CURSOR):
        raise FieldError("cursor", "cursor", "is not a cursor of this list")
    name = cursor.sort.removeprefix(_CURSOR)
    return Order(name.removeprefix("-"), name.startswith("-"))


def page(connection: Connection, wanted: RowFilter, order: Order, after: Cursor | None, limit: int) -> Page:
    """One page, and the number of rows in the whole list. Raises FieldError for a cursor that none gave out."""
    source: FromClause
    if order.by == KEY and wanted.state == "pending" and outstanding.few(connection, wanted.renderer) is None:
        source, found_by, sorted_by = _waiting(wanted, descending=order.descending)
        conditions: Sequence[ColumnElement[bool]] = ()
    else:
        source, found_by, sorted_by = _source(wanted), rows, _sorted_by(order)
        conditions = _conditions(connection, wanted)
    by = (each.desc() if order.descending else each for each in sorted_by)
    query = select(found_by).select_from(source).where(*conditions).order_by(*by).limit(limit + 1)
    query = query.add_columns(*(each.label(f"sorted_{index}") for index, each in enumerate(sorted_by)))
    if after is not None:
        here, there = tuple_(*sorted_by), tuple_(*_place(order, after))
        query = query.where(here < there if order.descending else here > there)
    found = connection.execute(query).mappings().all()
    more, found = len(found) > limit, found[:limit]
    whole = after is None and not more
    total, capped = (len(found), False) if whole else counted(connection, source, conditions)
    return Page(found, _cursor(order, found[-1], len(sorted_by)) if more else None, total, capped)


def count(connection: Connection, wanted: RowFilter) -> int:
    """How many rows a list has."""
    query = select(func.count()).select_from(_source(wanted)).where(*_conditions(connection, wanted))
    number: int = connection.execute(query).scalar_one()
    return number


def whole_list(connection: Connection, wanted: RowFilter, order: Order) -> Select[Any]:
    """All rows of a list, in its order; for this transaction."""
    by = (each.desc() if order.descending else each for each in _sorted_by(order))
    return select(rows).select_from(_source(wanted)).where(*_conditions(connection, wanted)).order_by(*by)


def get(connection: Connection, row: RowKey) -> RowMapping | None:
    """One row; a deleted one as it was last."""
    if "\x00" in row.key:
        return None
    query = select(rows).where(of_others(), rows.c.renderer == row.renderer, rows.c.key == row.key)
    return connection.execute(query).mappings().one_or_none()


def history(connection: Connection, row: RowKey, before: Cursor | None, limit: int, seen: Reach = EVERYTHING) -> Page:
    """A row's generations, newest first. `total` isn't counted (0). Of one that moved it both sides must be `seen`."""
    past = row_history.c
    query = select(row_history).where(past.renderer == row.renderer, past.key == row.key)
    if before is not None:
        query = query.where(past.generation < before.row_id)
    query = query.order_by(past.generation.desc())
    if seen.everything:
        found = connection.execute(query.limit(limit + 1)).mappings().all()
    else:
        kept = connection.execute(query).mappings().all()  # a hundred at most
        where = Environments(connection).of(kept)
        visible = [environment is not None and environment in seen for environment in where]
        found = [one for one, *sides in zip(kept, visible, [*visible[1:], True], strict=False) if all(sides)]
    more, found = len(found) > limit, found[:limit]
    return Page(found, Cursor(HISTORY, "", found[-1]["generation"]) if more else None, 0)


def _sorted_by(order: Order) -> Sequence[ColumnElement[Any]]:
    """What a list is sorted by; none of it is NULL, and the last one makes it unique."""
    if order.by == KEY:
        return (rows.c.key,)
    if order.by in (CHANGED_AT, GENERATION):
        return (rows.c[order.by], rows.c.key)
    text = rows.c.row[order.by].astext
    if not order.numeric:
        return (text.is_(None), func.coalesce(func.left(text, SORTED_TEXT), ""), rows.c.key)
    # What was captured when the column had another type is no reason to refuse the list.
    number = case((text.regexp_match(_NUMBER), cast(text, Numeric)), else_=null())
    return (number.is_(None), func.coalesce(number, 0), rows.c.key)


def _cursor(order: Order, row: RowMapping, parts: int) -> Cursor:
    values = [row[f"sorted_{index}"] for index in range(parts)]
    as_json = [_as_json(value) for value in values]
    return Cursor(order.name, json.dumps(as_json, ensure_ascii=False), 0)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value if isinstance(value, bool | int | str) else str(value)


def _place(order: Order, cursor: Cursor) -> Sequence[Any]:
    """Where a cursor is. Raises FieldError."""
    try:
        match order.by, json.loads(cursor.key):
            case "key", [str(key)]:
                return (_plain(key),)
            case "changed_at", [str(moment), str(key)]:
                return (_moment(moment), _plain(key))
            case "generation", [int(number), str(key)] if 0 <= number < 2**63:
                return (number, _plain(key))
            case by, [bool(missing), str(value), str(key)] if by not in OWN:
                if not order.numeric:
                    return (missing, _plain(value), _plain(key))
                if re.fullmatch(_NUMBER, value):
                    return (missing, cast(literal(value), Numeric), _plain(key))
    except (ValueError, OverflowError, RecursionError):
        pass
    raise FieldError("cursor", "cursor", "is not a cursor that this API gave out")


def _plain(text: str) -> str:
    if b"\x00" in text.encode():
        raise ValueError
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() is None or moment.astimezone(UTC).isoformat() != text:
        raise ValueError
    return moment


def _source(wanted: RowFilter) -> Any:
    anywhere = wanted.environment is None and wanted.seen.everything
    return rows if anywhere else rows.join(environments, OF_ROW)


def _waiting(wanted: RowFilter, *, descending: bool) -> tuple[FromClause, FromClause, Sequence[ColumnElement[Any]]]:
    """A list of pending rows by key, where many wait: from where, its rows, and what it is sorted by.

    The keys of what waits lead to the rows, in their order: no other row is passed. OFFSET keeps PostgreSQL from
    reading the table in that order instead, which it takes for as good.
    """
    keys = outstanding.in_order(wanted.renderer, descending=descending)
    pending = _overall(wanted.targets) == "pending"
    row = select(rows).select_from(_source(wanted)).where(*_but_state(wanted), rows.c.key == keys.c.key, pending)
    found = row.offset(0).lateral("found")
    return keys.join(found, true()), found, (keys.c.key,)


def _conditions(connection: Connection, wanted: RowFilter) -> list[ColumnElement[bool]]:
    conditions = _but_state(wanted)
    if wanted.state is not None and wanted.state != "deleted":
        conditions.append(_in_state(connection, wanted.renderer, wanted.state, wanted.targets))
    return conditions


def _but_state(wanted: RowFilter) -> list[ColumnElement[bool]]:
    there = rows.c.deleted if wanted.state == "deleted" else ~rows.c.deleted
    conditions = [rows.c.renderer == wanted.renderer, rows.c.generation > 0, there]
    if wanted.environment is not None:
        conditions.append(environments.c.environment == wanted.environment)
    if not wanted.seen.everything:
        conditions.append(within(wanted.seen, environments.c.environment))
    conditions += [rows.c.row[column].astext == value for column, value in wanted.values]
    if wanted.search:
        conditions.append(
            contains_in_any_case(rows.c.key, wanted.search)
            | contains_in_any_case(cast(rows.c.row, Text), wanted.search)
        )
    return conditions


def _in_state(
    connection: Connection, renderer: str, wanted: Literal["synced", "pending", "failed"], targets: Sequence[str]
) -> ColumnElement[bool]:
    """As `states.in_state`, of a renderer's rows."""
    key = rows.c.key
    if wanted == "failed":
        few = few_failed(connection, renderer)
        has_failed = select(literal(1)).where(_ITS, failed()).correlate(rows).offset(0).exists()
        return has_failed if few is None else outstanding.of_keys(key, few) & has_failed
    is_it = _overall(targets) == wanted
    if wanted == "synced":
        told = select(literal(1)).where(row_statuses.c.renderer == renderer)
        heard = (told.where(row_statuses.c.target == target).exists() for target in targets)
        return outstanding.without(connection, renderer, key, is_it, heard)
    return outstanding.listed(connection, renderer, key) & is_it


def _overall(targets: Sequence[str]) -> ColumnElement[str]:
    """A row's state over all targets."""
    synced = state() == "synced"
    expected = func.count().filter(synced, row_statuses.c.target.in_(targets)) == len(targets)
    told = expected & func.bool_and(synced)
    overall = case((func.bool_or(failed()), "failed"), (told, "synced"), else_="pending")
    return select(overall).where(_ITS).correlate(rows).scalar_subquery()
