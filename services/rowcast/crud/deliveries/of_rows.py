"""What became of rows of any table, and which of them a target is late with. Each works in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, select, text, tuple_

from rowcast.core.row import APP_CONFIGS, KEY_MAX, RowKey
from rowcast.crud.database.tables import gitops_progress, row_statuses, rows
from rowcast.crud.deliveries import gitops, outstanding

LATE_AT_ONCE = 500


def key_of(found: RowMapping) -> RowKey:
    """The row that a row of `rowcast.rows`, or a status, is of."""
    return RowKey(found["renderer"], found["key"])


def statuses(connection: Connection, wanted: Sequence[RowKey]) -> Sequence[RowMapping]:
    """What became of these rows, each with its `state`, since when it would be pending, and its `stage`."""
    joined = row_statuses.join(
        rows, and_(rows.c.renderer == row_statuses.c.renderer, rows.c.key == row_statuses.c.key)
    ).outerjoin(gitops_progress, gitops_progress.c.target == row_statuses.c.target)
    columns = (
        *(column for column in row_statuses.c if column.name not in ("stage", "stage_error")),
        state().label("state"),
        rows.c.changed_at.label("pending_since"),
        gitops.stage(gitops.OF_ROWS).label("stage"),
        gitops.stage_error(gitops.OF_ROWS).label("stage_error"),
        gitops.settled_at(gitops.OF_ROWS).label("settled_at"),
    )
    query = select(*columns).select_from(joined)
    return connection.execute(query.where(_named(row_statuses.c.renderer, row_statuses.c.key, wanted))).mappings().all()


def of_others() -> ColumnElement[bool]:
    """Whether it is no configuration: those are captured here, and served from a table and statuses of their own."""
    return rows.c.renderer != APP_CONFIGS


def readable() -> ColumnElement[bool]:
    """Whether sync can take a row's name. The event of one that it can't is a dead letter, which says so."""
    key = rows.c.key
    return (key != "") & (func.length(key) <= KEY_MAX) & of_others()


def captured() -> ColumnElement[bool]:
    """Whether it is a row of some table: one of generation 0 only keeps the place of one that may come."""
    return (rows.c.generation > 0) & of_others()


def among(wanted: Sequence[RowKey]) -> ColumnElement[bool]:
    """Whether a row is one of these."""
    return _named(rows.c.renderer, rows.c.key, wanted)


_LATE = """
SELECT row.renderer, row.key, row.generation, row.deleted, coalesce(row.actor, '') AS actor
FROM {rows} AS row
LEFT JOIN rowcast.statuses AS status
    ON (status.renderer, status.key) = (row.renderer, row.key) AND status.target = :target
WHERE (row.renderer, row.key) > (:renderer, :key) AND row.generation > 0
    AND row.key <> '' AND length(row.key) <= :longest AND row.renderer <> :ours
    AND row.changed_at < least(now() - make_interval(secs => :seconds), :before)
    AND (CAST(:within AS float) IS NULL OR row.deleted OR row.changed_at >= now() - make_interval(secs => :within))
    AND CASE WHEN row.deleted THEN status.key IS NOT NULL
            AND (NOT status.deleted OR status.observed_generation < row.generation)
        ELSE status.key IS NULL OR status.deleted OR status.observed_generation < row.generation END
ORDER BY row.renderer, row.key LIMIT :most
"""
"""A row that was deleted before a target has told anything of it is nothing to that target."""
_OUTSTANDING = """(SELECT DISTINCT renderer, key FROM rowcast.outstanding
    WHERE (renderer, key) > (:renderer, :key) AND renderer <> :ours ORDER BY renderer, key) AS entry
    CROSS JOIN LATERAL (
    SELECT * FROM rowcast.rows AS its WHERE (its.renderer, its.key) = (entry.renderer, entry.key) OFFSET 0)"""
_OF_KNOWN, _OF_ANY = text(_LATE.format(rows=_OUTSTANDING)), text(_LATE.format(rows="rowcast.rows"))


def late(
    connection: Connection,
    target: str,
    seconds: float,
    after: RowKey | None,
    within: float | None = None,
    before: datetime | None = None,
) -> Sequence[RowMapping]:
    """The first rows after `after` whose last change was longer than `seconds` ago and hasn't been reported.

    As `deliveries.late`, of all other tables; at most LATE_AT_ONCE.
    """
    start = after or RowKey("", "")
    parameters = {
        "target": target,
        "seconds": seconds,
        "renderer": start.renderer,
        "key": start.key,
        "within": within,
        "before": before or "infinity",
        "most": LATE_AT_ONCE,
        "longest": KEY_MAX,
        "ours": APP_CONFIGS,
    }
    statement = _OF_KNOWN if outstanding.is_kept_for(connection, target) else _OF_ANY
    return connection.execute(statement, parameters).mappings().all()


def _named(renderer: ColumnElement[str], key: ColumnElement[str], wanted: Sequence[RowKey]) -> ColumnElement[bool]:
    return tuple_(renderer, key).in_([(row.renderer, row.key) for row in wanted])


def state() -> ColumnElement[str]:
    """The state of a status, beside its row."""
    status = row_statuses.c
    there = case((rows.c.deleted, status.deleted), else_=~status.deleted)
    current = there & (status.observed_generation >= rows.c.generation)
    return case((failed(), "failed"), (current & ~_failure(), "synced"), else_="pending")


def failed() -> ColumnElement[bool]:
    """Whether a status, beside its row, tells that the row was refused as it is."""
    return _failure() & (row_statuses.c.observed_generation >= rows.c.generation)


def few_failed(connection: Connection, renderer: str) -> list[str] | None:
    """The keys of the only rows that may have failed; None if they are very many."""
    query = select(row_statuses.c.key).where(row_statuses.c.renderer == renderer, _failure())
    keys = connection.execute(query.limit(outstanding.FEW + 1)).scalars().all()
    return list(keys) if len(keys) <= outstanding.FEW else None


def _failure() -> ColumnElement[bool]:
    """As the index statuses_failed has it."""
    return (row_statuses.c.outcome == "dead-lettered") | row_statuses.c.error.is_not(None)
