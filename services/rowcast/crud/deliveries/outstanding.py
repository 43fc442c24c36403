"""Rows that some target may not have as they are (migration 0022): what is pending, late or refused is among them.

Whoever reads them looks at row and statuses itself: an entry too many costs time, and changes no answer.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Text,
    any_,
    cast,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.database.background import repeat
from rowcast.crud.database.connections import changing
from rowcast.crud.database.tables import outstanding

FEW = 10_000
"""So many rows are looked at one by one, by their keys; where there are more, most rows of a list are among them."""
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


def few(connection: Connection, renderer: str) -> list[str] | None:
    """The keys of a renderer's rows that have entries; None where these are more than FEW.

    Statements are given them as values. A subquery would be planned by what the database last counted of entries, which
    come and go by the thousand: after a backlog it looked up the statuses of all rows to find that no entry is left.
    """
    query = select(outstanding.c.key).where(outstanding.c.renderer == renderer).limit(FEW + 1)
    keys = connection.execute(query).scalars().all()
    return sorted(set(keys)) if len(keys) <= FEW else None


def few_of_others(connection: Connection) -> list[RowKey] | None:
    """As `few`, of all rows but configurations."""
    query = select(outstanding.c.renderer, outstanding.c.key).where(outstanding.c.renderer != APP_CONFIGS)
    entries = connection.execute(query.limit(FEW + 1)).all()
    return sorted({RowKey(*entry) for entry in entries}) if len(entries) <= FEW else None


def among(row_id: ColumnElement[int], few: Sequence[str] | None) -> ColumnElement[bool]:
    """Whether a configuration has entries; `few` as that has found them."""
    if few is None:
        return row_id.in_(select(cast(outstanding.c.key, BigInteger)).where(outstanding.c.renderer == APP_CONFIGS))
    return row_id == any_(literal([int(key) for key in few], ARRAY(BigInteger)))


def among_keys(renderer: str, key: ColumnElement[str], few: Sequence[str] | None) -> ColumnElement[bool]:
    """As `among`, of a renderer's rows, by their keys."""
    if few is None:
        return key.in_(select(outstanding.c.key).where(outstanding.c.renderer == renderer))
    return key == any_(_texts(few))


def among_others(
    renderer: ColumnElement[str], key: ColumnElement[str], few: Sequence[RowKey] | None
) -> ColumnElement[bool]:
    """As `among`, of all rows but configurations."""
    if few is None:
        entries = select(outstanding.c.renderer, outstanding.c.key).where(outstanding.c.renderer != APP_CONFIGS)
    else:
        keys = (_texts([row.renderer for row in few]), _texts([row.key for row in few]))
        entries = select(func.unnest(*keys).table_valued("renderer", "key").render_derived())
    return tuple_(renderer, key).in_(entries)


def _texts(values: Sequence[str]) -> ColumnElement[Any]:
    return literal(list(values), ARRAY(Text))


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
