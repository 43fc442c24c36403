"""Which version is where: a renderer's rows as groups of counterparts, what may be promoted, and what has been.

Every function works in the caller's transaction.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, RowMapping, Subquery, Text, cast, func, or_, select, tuple_

from rowcast.core.policy import EVERYTHING, Reach
from rowcast.core.promotion import Member, Promotion, Report, Step, steps
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.access.within import within
from rowcast.crud.database.tables import app_configs, environments, promotions, rows
from rowcast.crud.database.text_search import contains_in_any_case
from rowcast.crud.deliveries import of_rows
from rowcast.crud.errors import FieldError
from rowcast.crud.paging import Cursor
from rowcast.crud.renderers.tables import SourceTable, source_table
from rowcast.crud.rows import queries
from rowcast.crud.settings import CrudSettings
from rowcast.crud.sources.environments import OF_ROW
from rowcast.renderers.declaration import read_promotion
from rowcast.renderers.positions import ProblemsError

BOARD, RECORDS = "promotions", "promotion-records"
_ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Ground:
    """What a renderer's promotion rests on: its rows as they are (key, generation, row, actor, changed_at,
    environment; configurations' id), and the fields that crud can't write. `why`: why nothing is promoted.
    """

    renderer: str
    rows: Subquery
    promotion: Promotion | None = None
    why: str | None = None
    unwritable: Mapping[str, str] = field(default_factory=dict)

    @property
    def match(self) -> list[ColumnElement[str]]:
        """What counterparts are equal in, as texts."""
        return [self.rows.c.row[name].astext for name in self.promotion.match] if self.promotion else []

    def named(self, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether a row is one of these; by the index that there is of them."""
        if self.renderer == APP_CONFIGS:
            return self.rows.c.id.in_([int(key) for key in keys if re.fullmatch(r"\d{1,18}", key, re.ASCII)])
        return self.rows.c.key.in_([key for key in keys if "\x00" not in key])


@dataclass(frozen=True)
class Group:
    """Counterparts: what they are equal in, a step for each place, and by key who changed a row last and when."""

    match: Mapping[str, str]
    steps: Sequence[Step]
    changes: Mapping[str, RowMapping]
    awaiting: Mapping[str, int]
    """By key: what somebody asked to promote to it, and nobody has decided on."""


@dataclass(frozen=True)
class Board:
    """A part of all groups; `total` counts them all."""

    groups: Sequence[Group]
    next_cursor: Cursor | None
    total: int


def ground(connection: Connection, renderer: str, settings: CrudSettings, seen: Reach = EVERYTHING) -> Ground:
    """Of configurations the settings say how they are promoted, of others their declaration. Raises MissingError.

    Other rows than configurations are those that are `seen`: one that is not has no part in anything.

    From here on the transaction has no search_path but pg_catalog.
    """
    if renderer == APP_CONFIGS:
        promotion = settings.promotion_of_configurations
        why = None if promotion else "ROWCAST_PROMOTION doesn't say in which order configurations are promoted"
        return Ground(renderer, _configurations(), promotion, why)
    table = source_table(connection, renderer)
    its = (rows.c.key, rows.c.generation, rows.c.row, rows.c.actor, rows.c.changed_at, environments.c.environment)
    captured = (
        select(*its)
        .select_from(rows.outerjoin(environments, OF_ROW))
        .where(rows.c.renderer == renderer, rows.c.generation > 0, ~rows.c.deleted)
        .where(within(seen, environments.c.environment))
    )
    try:
        promotion = read_promotion(table.text)
    except ProblemsError as error:
        return Ground(renderer, captured.subquery(), None, f"its declaration can't be read: {error.problems[0]}")
    if promotion is None:
        return Ground(renderer, captured.subquery(), None, "its declaration has no spec.promotion")
    return Ground(renderer, captured.subquery(), promotion, None, dict(_unwritable(table, promotion)))


def _configurations() -> Subquery:
    row = app_configs.c
    application = func.coalesce(row.application, row.name)
    names = ("name", "repository_url", "branch", "environment")
    pairs = [part for name in names for part in (name, row[name])]
    whole = func.jsonb_build_object("application", application, *pairs, type_=rows.c.row.type)
    return select(
        cast(row.id, Text).label("key"),
        row.generation,
        whole.label("row"),
        row.updated_by.label("actor"),
        row.updated_at.label("changed_at"),
        row.environment,
        row.id,
    ).subquery()


def _unwritable(table: SourceTable, promotion: Promotion) -> Iterator[tuple[str, str]]:
    columns = table.table.columns if table.table is not None else {}
    for name in promotion.fields:
        if table.why is not None:
            yield name, f"can't be written: {table.why}"
        elif name not in columns:
            yield name, "is no column of the table"
        elif columns[name].generated:
            yield name, "is written by the database alone"


def board(
    connection: Connection,
    of: Ground,
    settings: CrudSettings,
    search: str | None = None,
    differs: bool = False,
    after: Cursor | None = None,
    limit: int = 50,
) -> Board:
    """A page of groups in the order of what they are equal in; `differs`: only those whose fields are not all the same.

    Raises FieldError for a cursor of another list.
    """
    if of.promotion is None:
        return Board([], None, 0)
    conditions = _of_groups(of, of.promotion)
    if search:
        conditions.append(or_(*(contains_in_any_case(column, search) for column in of.match)))
    labels = [f"match_{index}" for index in range(len(of.match))]
    columns = [column.label(label) for label, column in zip(labels, of.match, strict=True)]
    query = select(*columns, func.array_agg(of.rows.c.key).label("keys")).where(*conditions).group_by(*of.match)
    if differs:
        values = func.jsonb_build_array(*(of.rows.c.row[name] for name in of.promotion.fields))
        query = query.having(func.count(func.distinct(values)) > 1)
    # Groups, their number and the keys of their rows by one look at all rows: there may be a million.
    each = query.subquery()
    numbered = select(each, func.count().over().label("total")).subquery()
    by = [numbered.c[label] for label in labels]
    page = select(numbered).order_by(*by).limit(limit + 1)
    if after is not None:
        page = page.where(tuple_(*by) > tuple_(*_place(after, len(by))))
    found = connection.execute(page).all()
    more, shown = len(found) > limit, {tuple(row[: len(by)]): row.keys for row in found[:limit]}
    cursor = Cursor(BOARD, json.dumps([*shown][-1]), 0) if more else None
    among = of.named([key for keys in shown.values() for key in keys])
    return Board(_groups(connection, of, settings, [*shown], among), cursor, found[0].total if found else 0)


def _groups(
    connection: Connection,
    of: Ground,
    settings: CrudSettings,
    wanted: Sequence[tuple[str, ...]],
    among: ColumnElement[bool],
) -> list[Group]:
    """The groups of these values, in their order, as they are in this moment; their rows are `among` all."""
    if of.promotion is None or not wanted:
        return []
    columns = [column.label(f"match_{index}") for index, column in enumerate(of.match)]
    query = select(of.rows, *columns).where(*_of_groups(of, of.promotion), among)
    found = connection.execute(query.order_by(of.rows.c.key)).mappings().all()
    keys = [row["key"] for row in found]
    reports = _reports(connection, of.renderer, keys, settings.targets)
    awaiting = _awaiting(connection, of.renderer, keys)
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    members: dict[tuple[str, ...], list[RowMapping]] = {values: [] for values in wanted}
    for row in found:
        members[tuple(row[column.name] for column in columns)].append(row)
    return [
        Group(
            dict(zip(of.promotion.match, values, strict=True)),
            steps(of.promotion, [_member(row, of.promotion, reports) for row in its], now, of.unwritable),
            {row["key"]: row for row in its},
            awaiting,
        )
        for values, its in members.items()
    ]


def groups_of(connection: Connection, of: Ground, settings: CrudSettings, keys: Sequence[str]) -> list[Group]:
    """The groups that these rows are in."""
    if of.promotion is None:
        return []
    query = select(*of.match).where(*_of_groups(of, of.promotion), of.named(keys)).distinct()
    wanted = [tuple(row) for row in connection.execute(query)]
    return _groups(connection, of, settings, wanted, tuple_(*of.match).in_(wanted))


def _of_groups(of: Ground, promotion: Promotion) -> list[ColumnElement[bool]]:
    there = [column.is_not(None) for column in of.match]
    return [of.rows.c.row[promotion.along].astext.in_(promotion.order), *there]


def _member(row: RowMapping, promotion: Promotion, reports: Mapping[str, Sequence[Report]]) -> Member:
    values = {name: row["row"].get(name) for name in promotion.fields}
    place, environment = row["row"][promotion.along], row["environment"]
    return Member(row["key"], row["generation"], place, values, reports[row["key"]], environment)


def _reports(
    connection: Connection, renderer: str, keys: Sequence[str], targets: Sequence[str]
) -> dict[str, list[Report]]:
    told: dict[str, dict[str, Report | None]] = {
        key: {target: Report(target, "pending") for target in targets} for key in keys
    }
    if renderer == APP_CONFIGS:
        found = [(str(one["row_id"]), one) for one in queries.statuses(connection, [int(key) for key in keys])]
    else:
        named = [RowKey(renderer, key) for key in keys]
        found = [(one["key"], one) for one in of_rows.statuses(connection, named)]
    for key, one in found:
        told[key][one["target"]] = _report(one)
    return {key: [report for report in its.values() if report is not None] for key, its in told.items()}


def _report(status: RowMapping) -> Report | None:
    """None of a target that another one has the row instead of."""
    if status["outcome"] == _ELSEWHERE and status["state"] == "synced":
        return None
    message = status["error"] or status["stage_error"]
    stage = None if status["state"] == "pending" else status["stage"]
    return Report(status["target"], status["state"], stage, status["settled_at"], message)


def _awaiting(connection: Connection, renderer: str, keys: Sequence[str]) -> dict[str, int]:
    query = select(promotions.c.to_key, promotions.c.id).where(
        promotions.c.renderer == renderer, promotions.c.to_key.in_(keys), promotions.c.state == "awaiting"
    )
    return {row.to_key: row.id for row in connection.execute(query)}


def _place(cursor: Cursor, parts: int) -> list[str]:
    try:
        values = json.loads(cursor.key)
    except (ValueError, RecursionError):
        values = None
    known = isinstance(values, list) and len(values) == parts
    if cursor.sort != BOARD or not known or not all(isinstance(each, str) and "\x00" not in each for each in values):
        raise FieldError("cursor", "cursor", "is not a cursor of this list")
    found: list[str] = values
    return found


def records(
    connection: Connection,
    renderer: str,
    state: str | None,
    before: Cursor | None,
    limit: int,
    seen: Reach = EVERYTHING,
) -> tuple[Sequence[RowMapping], Cursor | None]:
    """What was promoted between environments that are `seen`, and what somebody has asked to, newest first."""
    query = select(promotions).where(promotions.c.renderer == renderer, _between(seen))
    if state is not None:
        query = query.where(promotions.c.state == state)
    if before is not None:
        query = query.where(promotions.c.id < before.row_id)
    found = connection.execute(query.order_by(promotions.c.id.desc()).limit(limit + 1)).mappings().all()
    more, found = len(found) > limit, found[:limit]
    return found, Cursor(RECORDS, "", found[-1]["id"]) if more else None


def _between(seen: Reach) -> ColumnElement[bool]:
    return within(seen, promotions.c.from_environment) & within(seen, promotions.c.to_environment)


def made(
    connection: Connection, row: RowKey, generations: Sequence[int], seen: Reach = EVERYTHING
) -> dict[int, RowMapping]:
    """By generation of a row: the promotion that made it, between environments that are `seen`."""
    query = select(promotions).where(
        promotions.c.renderer == row.renderer,
        promotions.c.to_key == row.key,
        promotions.c.state == "promoted",
        promotions.c.generation.in_(generations),
        _between(seen),
    )
    return {one["generation"]: one for one in connection.execute(query).mappings()}
