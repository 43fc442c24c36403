"""Which rows a target has not reported as delivered, though time has passed since their change."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, text

from rowcast.crud.deliveries import outstanding

ROWS_AT_ONCE = 500
_LATE = """
SELECT * FROM (
    SELECT row.id, row.generation, row.name, row.environment, false AS deleted, row.updated_by AS actor
    FROM {rows} AS row
    LEFT JOIN public.sync_statuses AS status ON status.row_id = row.id AND status.target = :target
    WHERE row.id > :after
        AND (CAST(:within AS float) IS NULL OR row.updated_at >= now() - make_interval(secs => :within))
        AND row.updated_at < least(now() - make_interval(secs => :seconds), :before)
        AND (status.row_id IS NULL OR status.deleted OR status.observed_generation < row.generation)
    ORDER BY row.id LIMIT :most
) AS present
UNION ALL
SELECT * FROM (
    SELECT gone.id, gone.generation, gone.name, gone.environment, true, gone.updated_by
    FROM public.app_config_deletions AS gone
    LEFT JOIN public.sync_statuses AS status ON status.row_id = gone.id AND status.target = :target
    WHERE gone.id > :after AND gone.deleted_at < least(now() - make_interval(secs => :seconds), :before)
        AND (status.row_id IS NULL OR NOT status.deleted)
        AND NOT EXISTS (SELECT FROM public.app_configs AS row WHERE row.id = gone.id)
    ORDER BY gone.id LIMIT :most
) AS gone
ORDER BY id LIMIT :most
"""
_OUTSTANDING = """(SELECT DISTINCT CAST(key AS bigint) AS id FROM rowcast.outstanding WHERE renderer = 'appconfigs'
        ORDER BY 1) AS entry CROSS JOIN LATERAL (
        SELECT * FROM public.app_configs AS its WHERE its.id = entry.id OFFSET 0)"""
"""Each by its key, however many there are: as many are read as are given."""
_OF_KNOWN, _OF_ANY = text(_LATE.format(rows=_OUTSTANDING)), text(_LATE.format(rows="public.app_configs"))


def late(
    connection: Connection,
    target: str,
    seconds: float,
    after: int,
    within: float | None = None,
    before: datetime | None = None,
) -> Sequence[RowMapping]:
    """The first rows above the id `after` whose last change was longer than `seconds` ago and hasn't been reported.

    At most ROWS_AT_ONCE: `id`, `generation`, `name`, `environment`, `deleted`, `actor` (of the last change). What the
    target has refused for good has been reported. `within`: only those (and all deletions) that were changed no longer
    ago than so many seconds; `before`: only those that were changed before it.
    """
    parameters = {
        "target": target,
        "seconds": seconds,
        "after": after,
        "most": ROWS_AT_ONCE,
        "before": before or "infinity",
        "within": within,
    }
    statement = _OF_KNOWN if outstanding.is_kept_for(connection, target) else _OF_ANY
    return connection.execute(statement, parameters).mappings().all()
