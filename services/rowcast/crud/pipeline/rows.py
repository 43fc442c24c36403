"""The rows of every renderer by what became of them, counted in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, Connection, Engine, Executable, Text, and_, func, literal, null, select, text, union_all

from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.database.connections import reading
from rowcast.crud.database.tables import app_configs, sources
from rowcast.crud.deliveries import outstanding, undelivered

COUNT_MS = 60_000
"""A million rows at two targets take some seconds, and several times as long if none of them is delivered."""
GRACE = timedelta(seconds=5)
"""More than a transaction of crud's takes: what it writes bears the time of its start, and is in the log at its end."""

_NOW = text("SELECT now()")
# One renderer after the other, each by the index of those that are there; grouped, the whole table is read.
_TOTALS = text("""
WITH RECURSIVE names (renderer) AS (
    (SELECT renderer FROM rowcast.rows WHERE NOT deleted AND generation > 0 ORDER BY renderer LIMIT 1)
    UNION ALL
    SELECT (SELECT row.renderer FROM rowcast.rows AS row
        WHERE row.renderer > names.renderer AND NOT row.deleted AND row.generation > 0
        ORDER BY row.renderer LIMIT 1)
    FROM names WHERE names.renderer IS NOT NULL
)
SELECT renderer, (SELECT count(*) FROM rowcast.rows AS row
    WHERE row.renderer = names.renderer AND NOT row.deleted AND row.generation > 0) AS number
FROM names WHERE renderer <> :ours
""")


@dataclass(frozen=True)
class Waiting:
    """Of one target, or of a kind of thing: how many, how many of them too long, and which the oldest is, since when.

    `row` is None where it isn't known which.
    """

    count: int = 0
    overdue: int = 0
    since: datetime | None = None
    row: RowKey | None = None

    def __add__(self, other: Waiting) -> Waiting:
        self_is_older = other.since is None or (self.since is not None and self.since <= other.since)
        older = self if self_is_older else other
        return Waiting(self.count + other.count, self.overdue + other.overdue, older.since, older.row)


@dataclass(frozen=True)
class Rows:
    """A renderer's rows over all targets, and those that each target has not got, or has refused.

    `unheard` counts, by target, the rows and deletions of which it has told nothing though their events were published;
    it is None where it is not known what was published. `failing` is a row that a target has refused, if there is one.
    """

    total: int
    synced: int
    failed: int
    pending: Mapping[str, Waiting]
    refused: Mapping[str, int]
    deletions: Waiting
    unheard: Mapping[str, int] | None = None
    failing: RowKey | None = None


@dataclass(frozen=True)
class Counted:
    """All renderers' rows, of one transaction, which began at `at`.

    The events of all that was committed before `published_at` are at the broker; None where that isn't known.
    """

    at: datetime
    by_renderer: Mapping[str, Rows] = field(default_factory=dict)
    published_at: datetime | None = None
    unknown_targets: Mapping[str, int] = field(default_factory=dict)
    """How many rows wait, by target, for one that is not among the targets and has told of them before."""


def together(some: Iterable[Rows]) -> Rows:
    """The rows of several renderers as those of one."""
    found = list(some)
    targets = list(dict.fromkeys(target for one in found for target in one.pending))
    known = [one.unheard for one in found if one.unheard is not None]
    return Rows(
        total=sum(one.total for one in found),
        synced=sum(one.synced for one in found),
        failed=sum(one.failed for one in found),
        pending={
            target: sum((one.pending.get(target, Waiting()) for one in found), start=Waiting()) for target in targets
        },
        refused={target: sum(one.refused.get(target, 0) for one in found) for target in targets},
        deletions=sum((one.deletions for one in found), start=Waiting()),
        unheard={target: sum(one.get(target, 0) for one in known) for target in targets} if known else None,
        failing=next((one.failing for one in found if one.failing is not None), None),
    )


def count(engine: Engine, targets: Sequence[str], patience: timedelta, published_at: datetime | None) -> Counted:
    """Count them. What is pending for longer than `patience` is overdue. Raises TransientError."""
    with reading(engine) as connection:
        # What JIT compiles takes it longer than the count itself.
        connection.execute(text(f"SET LOCAL statement_timeout = {COUNT_MS}; SET LOCAL jit = off"))
        now: datetime = connection.execute(_NOW).scalar_one()
        late, published = now - patience, published_at and published_at - GRACE
        totals = _totals(connection)
        ours, others = outstanding.few(connection, APP_CONFIGS), outstanding.few_of_others(connection)
        cells = (undelivered.of_configurations(targets, ours), undelivered.of_others(targets, others))
        figures = [
            dict(one) for each in cells for one in connection.execute(_figures(each, late, published)).mappings()
        ]
        unknown = undelivered.for_unknown_targets(connection, targets, ours, others)
    # Of a renderer that has none any more there may be deletions.
    totals |= {one["renderer"]: 0 for one in figures if one["renderer"] not in totals}
    by_renderer = {
        renderer: _rows(renderer, total, targets, [one for one in figures if one["renderer"] == renderer], published)
        for renderer, total in totals.items()
    }
    return Counted(now, by_renderer, published_at, unknown)


def _totals(connection: Connection) -> dict[str, int]:
    """How many rows there are, by renderer: the built-in one, then all whose tables are or were captured, by name."""
    ours = connection.execute(select(func.count()).select_from(app_configs)).scalar_one()
    names = connection.execute(select(sources.c.renderer).where(sources.c.renderer != APP_CONFIGS)).scalars()
    others = dict.fromkeys(names, 0)
    for name, number in connection.execute(_TOTALS, {"ours": APP_CONFIGS}).all():
        others[name] = number
    return {APP_CONFIGS: ours, **dict(sorted(others.items()))}


def _figures(cells: CTE, late: datetime, published: datetime | None) -> Executable:
    """By renderer, whether deleted, and target; where that is null, of rows over all targets."""
    cell, number = cells.c, func.count()
    waits, failed = cell.state == "pending", cell.state == "failed"
    unheard = waits & (cell.since < literal(published, cell.since.type))
    of = (cell.renderer, cell.deleted, cell.target)
    by_target = (
        select(
            *of,
            number.filter(waits).label("waiting"),
            number.filter(cell.since < late).label("overdue"),
            func.min(cell.since).label("since"),
            number.filter(failed).label("failed"),
            number.filter(unheard).label("unheard"),
            func.min(cell.key).filter(failed).label("failing"),
        )
        .group_by(*of)
        .subquery("by_target")
    )
    its = by_target.c
    oldest = and_(
        cell.renderer == its.renderer,
        cell.deleted == its.deleted,
        cell.target == its.target,
        cell.since == its.since,
    )
    named = (
        select(*its, func.min(cell.key).label("oldest")).select_from(by_target.outerjoin(cells, oldest)).group_by(*its)
    )
    row = (
        select(
            cell.renderer,
            cell.deleted,
            func.bool_or(failed).label("failed"),
            func.min(cell.since).label("since"),
        )
        .group_by(cell.renderer, cell.deleted, cell.key)
        .subquery("by_row")
        .c
    )
    over_all = select(
        row.renderer,
        row.deleted,
        null(),
        number,
        number.filter(row.since < late),
        func.min(row.since),
        number.filter(row.failed),
        literal(0),
        literal(None, Text),
        literal(None, Text),
    ).group_by(row.renderer, row.deleted)
    return union_all(named, over_all)


def _rows(
    renderer: str,
    total: int,
    targets: Sequence[str],
    figures: Sequence[Mapping[str, Any]],
    published: datetime | None,
) -> Rows:
    there = {one["target"]: one for one in figures if not one["deleted"]}
    gone = {one["target"]: one for one in figures if one["deleted"]}
    lacking = there.get(None, {"waiting": 0, "failed": 0})
    failing = [one["failing"] for one in there.values() if one["failing"] is not None]
    return Rows(
        total=total,
        synced=total - lacking["waiting"],
        failed=lacking["failed"],
        pending={target: _waiting(renderer, there.get(target)) for target in targets},
        refused={target: there[target]["failed"] if target in there else 0 for target in targets},
        deletions=_deletions(renderer, gone),
        unheard=None
        if published is None
        else {target: sum(one[target]["unheard"] for one in (there, gone) if target in one) for target in targets},
        failing=RowKey(renderer, min(failing)) if failing else None,
    )


def _waiting(renderer: str, figures: Mapping[str, Any] | None) -> Waiting:
    if figures is None:
        return Waiting()
    row = RowKey(renderer, figures["oldest"]) if figures["oldest"] is not None else None
    return Waiting(figures["waiting"], figures["overdue"], figures["since"], row)


def _deletions(renderer: str, gone: Mapping[str | None, Mapping[str, Any]]) -> Waiting:
    over_all = gone.get(None)
    if over_all is None:
        return Waiting()
    oldest = next(one["oldest"] for one in gone.values() if one["since"] == over_all["since"] and one["oldest"])
    return Waiting(over_all["waiting"], over_all["overdue"], over_all["since"], RowKey(renderer, oldest))
