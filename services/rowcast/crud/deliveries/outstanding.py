"""Rows that some target may not have as they are (migration 0022): what is pending, late or refused is among them.

Whoever reads them looks at row and statuses itself: an entry too many costs time, and changes no answer.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Select, cast, exists, select, text

from rowcast.core.row import APP_CONFIGS
from rowcast.crud.database.background import repeat
from rowcast.crud.database.connections import changing
from rowcast.crud.database.tables import outstanding

BATCH = 1_000
"""Rows looked at in one transaction."""
PAUSE_SECONDS = 5.0
REST = 10
"""Times as long as a look at all of them took, where they are very many."""
FIND_MS = 300_000
_LOCK = 7_769_671_835
_TARGETS = text("SELECT targets FROM rowcast.outstanding_for")
_PATIENCE = text(f"SET LOCAL statement_timeout = {FIND_MS}")
_FIND = text("SELECT rowcast.find_outstanding(:targets)")
_ALONE = text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
# One statement, one snapshot: an entry that it sees is of a change that it sees, and what comes later has its own.
_SETTLE = text("""
WITH looked_at AS (
    SELECT DISTINCT renderer, key FROM rowcast.outstanding
    WHERE (renderer, key) > (:renderer, :key) ORDER BY renderer, key LIMIT :batch
), wanted AS (
    SELECT targets, cardinality(targets) AS wanted_number FROM rowcast.outstanding_for
), settled AS (
    SELECT renderer, key
    FROM (SELECT renderer, key, key::bigint AS id FROM looked_at WHERE renderer = :ours OFFSET 0) AS mine
    LEFT JOIN public.app_configs AS row USING (id)
    CROSS JOIN wanted
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE current AND target = ANY (wanted.targets)) AS arrived, bool_and(current) AS well
        FROM (SELECT target, NOT deleted AND observed_generation >= row.generation AND outcome <> 'dead-lettered'
            AND error IS NULL AS current FROM public.sync_statuses AS status WHERE status.row_id = mine.id) AS its
    ) AS told
    WHERE row.id IS NULL OR (arrived = wanted_number AND well)
    UNION ALL
    SELECT renderer, key FROM looked_at
    LEFT JOIN rowcast.rows AS row USING (renderer, key)
    CROSS JOIN wanted
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE current AND target = ANY (wanted.targets)) AS arrived, bool_and(current) AS well
        FROM (SELECT target, deleted = row.deleted AND observed_generation >= row.generation
            AND outcome <> 'dead-lettered' AND error IS NULL AND stage IS DISTINCT FROM 'proposed' AS current
            FROM rowcast.statuses AS status
            WHERE (status.renderer, status.key) = (looked_at.renderer, looked_at.key)) AS its
    ) AS told
    WHERE renderer <> :ours AND (row.key IS NULL OR (row.deleted AND coalesce(well, true))
        OR (NOT row.deleted AND arrived = wanted_number AND well))
), gone AS (
    DELETE FROM rowcast.outstanding AS entry USING settled
    WHERE (entry.renderer, entry.key) = (settled.renderer, settled.key)
)
SELECT max(renderer) AS renderer, (array_agg(key ORDER BY renderer DESC, key DESC))[1] AS key, count(*) AS number
FROM looked_at
""")


def configurations() -> Select[Any]:
    """Their ids."""
    return select(cast(outstanding.c.key, BigInteger)).where(outstanding.c.renderer == APP_CONFIGS)


def of_renderer(name: str) -> Select[Any]:
    """The keys of a renderer's rows."""
    return select(outstanding.c.key).where(outstanding.c.renderer == name)


def of_others() -> Select[Any]:
    """Renderer and key of all rows but configurations."""
    return select(outstanding.c.renderer, outstanding.c.key).where(outstanding.c.renderer != APP_CONFIGS)


def is_settled(renderer: str, key: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a row has no entry, so that its statuses need no look: every target has it as it is."""
    its = (outstanding.c.renderer == renderer) & (outstanding.c.key == key)
    return ~exists(select(1).select_from(outstanding).where(its))


def is_kept_for(connection: Connection, target: str) -> bool:
    """Whether what a target lacks is among them: of one that crud isn't told of, nothing is known."""
    return target in (_known(connection) or ())


def settle(engine: Engine, targets: Sequence[str], batch: int = BATCH) -> int:
    """Take away the entries of rows that all `targets` have; how many rows were looked at. Raises TransientError."""
    with changing(engine) as connection:
        connection.execute(_PATIENCE)
        if not connection.execute(_ALONE).scalar_one():
            return 0
        known = _known(connection)
        if known is None or set(targets) != set(known):
            connection.execute(_FIND, {"targets": list(targets)})
    renderer, key, looked_at = "", "", 0
    while True:
        with changing(engine) as connection:
            if not connection.execute(_ALONE).scalar_one():
                return looked_at
            values = {"renderer": renderer, "key": key, "batch": batch, "ours": APP_CONFIGS}
            found = connection.execute(_SETTLE, values).one()
        looked_at += int(found.number)
        if found.number < batch:
            return looked_at
        renderer, key = found.renderer, found.key


def _known(connection: Connection) -> list[str] | None:
    """For which targets entries are taken away; None before anybody has looked."""
    known: list[str] | None = connection.execute(_TARGETS).scalar_one_or_none()
    return known


async def keep_settled(engine: Engine, targets: Sequence[str]) -> None:
    """Again and again, as `repeat` does; several instances may, one at a time does."""

    async def step() -> float:
        started = time.monotonic()
        await asyncio.to_thread(settle, engine, targets)
        return max(PAUSE_SECONDS, REST * (time.monotonic() - started))

    waits = "rows that were delivered are not told from others"
    fails = "rows that were delivered could not be told from others"
    await repeat(step, PAUSE_SECONDS, logger="rowcast.crud.outstanding", waits=waits, fails=fails)
