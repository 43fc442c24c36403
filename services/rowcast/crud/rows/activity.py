"""What happened to all configurations, newest first, and what became of each change at each target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, case, exists, func, or_, select, text

from rowcast.core.policy import EVERYTHING, Reach
from rowcast.crud.database.connections import reading
from rowcast.crud.database.tables import history, sync_statuses
from rowcast.crud.paging import Cursor
from rowcast.crud.rows.queries import of_history
from rowcast.crud.rows.repository import CONTENT

Change = Literal["created", "updated", "deleted"]
Became = Literal["synced", "pending", "failed", "superseded"]
SORT = "activity"
MOST_PEOPLE = 200
# From one person to the next in the index: of each, one entry is read.
_PEOPLE = text("""
WITH RECURSIVE people AS (
    SELECT min(changed_by) AS person FROM public.app_config_history
    UNION ALL
    SELECT (SELECT min(changed_by) FROM public.app_config_history WHERE changed_by > person)
    FROM people WHERE person IS NOT NULL
)
SELECT person FROM people WHERE person IS NOT NULL
ORDER BY (SELECT max(id) FROM public.app_config_history WHERE changed_by = person) DESC LIMIT :most
""")


@dataclass(frozen=True)
class ActivityFilter:
    """Which changes; None means any. `name` is a part of the name before or after, `became` of at least one target."""

    person: str | None = None
    row_id: int | None = None
    name: str | None = None
    change: Change | None = None
    became: Became | None = None
    targets: Sequence[str] = ()
    seen: Reach = EVERYTHING
    """In which environments rows are there for who asks."""


@dataclass(frozen=True)
class ActivityPage:
    """Changes, what became of each by its id and target, and where the page ends (None at the end)."""

    rows: Sequence[RowMapping]
    outcomes: Mapping[int, Mapping[str, str]]
    next_cursor: Cursor | None


def page(engine: Engine, wanted: ActivityFilter, before: Cursor | None, limit: int) -> ActivityPage:
    """One page. Raises TransientError."""
    query = select(history).where(*_conditions(wanted)).order_by(history.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(history.c.id < before.row_id)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
        more, rows = len(rows) > limit, rows[:limit]
        outcomes = _outcomes(connection, [row["id"] for row in rows], wanted.targets)
    return ActivityPage(rows, outcomes, Cursor(SORT, "", rows[-1]["id"]) if more else None)


def people(engine: Engine, seen: Reach = EVERYTHING) -> list[str]:
    """Who has changed something that is `seen`, the last one first, at most MOST_PEOPLE. Raises TransientError."""
    if seen.everything:
        with reading(engine) as connection:
            return list(connection.execute(_PEOPLE, {"most": MOST_PEOPLE}).scalars())
    person = history.c.changed_by
    query = (
        select(person)
        .where(of_history(seen))
        .group_by(person)
        .order_by(func.max(history.c.id).desc())
        .limit(MOST_PEOPLE)
    )
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def fields(row: RowMapping) -> dict[str, list[str | None]]:
    """Before and after of every field that differs."""
    before, after = row["before"] or {}, row["after"] or {}
    pairs = {name: [before.get(name), after.get(name)] for name in CONTENT}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _conditions(wanted: ActivityFilter) -> list[ColumnElement[bool]]:
    conditions = [] if wanted.seen.everything else [of_history(wanted.seen)]
    if wanted.person is not None:
        conditions.append(history.c.changed_by == wanted.person)
    if wanted.row_id is not None:
        conditions.append(history.c.row_id == wanted.row_id)
    if wanted.change is not None:
        conditions.append(history.c.change == wanted.change)
    if wanted.name:
        names = (history.c[side]["name"].astext for side in ("before", "after"))
        conditions.append(or_(*(name.icontains(wanted.name, autoescape=True) for name in names)))
    if wanted.became is not None:
        conditions.append(or_(*(_became_at(target) == wanted.became for target in wanted.targets)))
    return conditions


def _became_at(target: str) -> ColumnElement[str]:
    """What became of a change at a target that may have told nothing of its row."""
    status = sync_statuses.c
    told = select(_became()).where(status.row_id == history.c.row_id, status.target == target)
    untold = case((_overtaken(), "superseded"), else_="pending")
    return func.coalesce(told.correlate(history).scalar_subquery(), untold)


def _became() -> ColumnElement[str]:
    """Of a change beside the status of its row: a target tells of the last state that it has seen, and of no other."""
    status = sync_statuses.c
    this = and_(status.observed_generation == history.c.generation, status.deleted == (history.c.change == "deleted"))
    failed = (status.outcome == "dead-lettered") | status.error.is_not(None)
    # A dead letter of a deletion leaves the status as one of the generation alone.
    dead = and_(status.outcome == "dead-lettered", status.observed_generation == history.c.generation)
    beyond = and_(status.observed_generation >= history.c.generation, status.deleted == (history.c.change == "deleted"))
    return case(
        (and_(this, failed), "failed"),
        (this, "synced"),
        (_overtaken(), "superseded"),
        (dead, "failed"),
        (and_(beyond, ~failed), "synced"),
        else_="pending",
    )


def _overtaken() -> ColumnElement[bool]:
    later = history.alias("later")
    return exists().where(later.c.row_id == history.c.row_id, later.c.id > history.c.id).correlate(history)


def _outcomes(connection: Connection, ids: Sequence[int], targets: Sequence[str]) -> dict[int, dict[str, str]]:
    if not ids:
        return {}
    columns = (_became_at(target).label(f"at_{index}") for index, target in enumerate(targets))
    found = connection.execute(select(history.c.id, *columns).where(history.c.id.in_(ids)))
    return {row[0]: dict(zip(targets, row[1:], strict=True)) for row in found}
