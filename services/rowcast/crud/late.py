"""Which rows a target has not reported as delivered, though time has passed since their change."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

ROWS_AT_ONCE = 500
_LATE = text("""
SELECT * FROM (
    SELECT row.id, row.generation, row.name, row.environment, false AS deleted
    FROM public.app_configs AS row
    LEFT JOIN public.sync_statuses AS status ON status.row_id = row.id AND status.target = :target
    WHERE row.id > :after AND row.updated_at < now() - make_interval(secs => :seconds)
        AND (status.row_id IS NULL OR status.deleted OR status.observed_generation < row.generation)
    ORDER BY row.id LIMIT :most
) AS present
UNION ALL
SELECT * FROM (
    SELECT gone.id, gone.generation, gone.name, gone.environment, true
    FROM public.app_config_deletions AS gone
    LEFT JOIN public.sync_statuses AS status ON status.row_id = gone.id AND status.target = :target
    WHERE gone.id > :after AND gone.deleted_at < now() - make_interval(secs => :seconds)
        AND (status.row_id IS NULL OR NOT status.deleted)
        AND NOT EXISTS (SELECT FROM public.app_configs AS row WHERE row.id = gone.id)
    ORDER BY gone.id LIMIT :most
) AS gone
ORDER BY id LIMIT :most
""")


def late(connection: Connection, target: str, seconds: float, after: int) -> Sequence[RowMapping]:
    """The first rows above the id `after` whose last change was longer than `seconds` ago and hasn't been reported.

    At most ROWS_AT_ONCE: `id`, `generation`, `name`, `environment`, `deleted`. What the target has refused for good
    has been reported.
    """
    parameters = {"target": target, "seconds": seconds, "after": after, "most": ROWS_AT_ONCE}
    return connection.execute(_LATE, parameters).mappings().all()
