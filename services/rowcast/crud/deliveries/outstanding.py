"""Rows that some target may not have as they are (migration 0022): what is pending, late or refused is among them.

Whoever reads them looks at row and statuses itself: an entry too many costs time, and changes no answer.
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Exists,
    Integer,
    Subquery,
    Text,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.database.background import repeat
from rowcast.crud.database.connections import changing
from rowcast.crud.database.tables import outstanding

FEW = 10_000
"""So many rows are looked at one by one, by their keys; where there are more, most rows of a list are among them."""
SOME = 100_000
"""So many entries are read for a list before any row is; where there are more, each row's are looked up."""
BATCH = 1_000
"""Rows looked at in one transaction."""
PAUSE_SECONDS = 5.0
REST = 10
"""Times as long as a look at all of them took, where they are very many."""
TOLD = 100_000
"""Rows that a process remembers, so that they are looked at before all others."""
FIND_MS = 300_000
_BEGINNING = RowKey("", "")
_LOCK = 7_769_671_835
_TARGETS = text("SELECT targets FROM rowcast.outstanding_for")
_PATIENCE = text(f"SET LOCAL statement_timeout = {FIND_MS}")
_FIND = text("SELECT rowcast.find_outstanding(:targets)")
_ALONE = text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
_IN_TURN = text(f"SELECT pg_advisory_xact_lock({_LOCK})")
# One statement, one snapshot: an entry that it sees is of a change that it sees, and what comes later has its own.
_SETTLE = """
WITH looked_at AS (
    {looked_at}
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
"""
_SETTLE_NEXT = text(
    _SETTLE.format(
        looked_at="SELECT DISTINCT renderer, key FROM rowcast.outstanding"
        " WHERE (renderer, key) > (:renderer, :key) ORDER BY renderer, key LIMIT :batch"
    )
)
_SETTLE_THESE = text(
    _SETTLE.format(
        looked_at="SELECT DISTINCT renderer, key"
        " FROM unnest(CAST(:renderers AS text[]), CAST(:keys AS text[])) AS told (renderer, key)"
    )
)


class Told:
    """Rows of which a target has told since they were last looked at; any thread may add some.

    What is more than TOLD isn't kept: it is found by the next look at all entries.
    """

    def __init__(self) -> None:
        self._rows: dict[RowKey, None] = {}
        self._lock = threading.Lock()

    def add(self, rows: Iterable[RowKey]) -> None:
        """Some of them may be there already."""
        with self._lock:
            for row in rows:
                if len(self._rows) < TOLD:
                    self._rows[row] = None

    def forget(self) -> None:
        """Before a look at all entries, theirs among them."""
        with self._lock:
            self._rows.clear()

    def take(self, number: int) -> list[RowKey]:
        """The first ones, which are kept no more."""
        with self._lock:
            taken = list(islice(self._rows, number))
            for row in taken:
                del self._rows[row]
        return taken


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
    """Whether a configuration has entries; `few` as that has found them. Where these are many, all of them are read."""
    if few is None:
        return row_id.in_(select(cast(outstanding.c.key, BigInteger)).where(outstanding.c.renderer == APP_CONFIGS))
    return of_keys(row_id, few)


def of_keys(key: ColumnElement[Any], few: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
    """Whether a row is one of these, by its key, or by its id."""
    if isinstance(key.type, Integer):
        return key == any_(literal([int(one) for one in few], ARRAY(BigInteger)))
    return key == any_(_texts([str(one) for one in few]))


def listed(connection: Connection, renderer: str, key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row has entries, for a list that ends once it is full.

    `key` may be an id. Up to SOME entries are read before the first row is, and none of more than that: then a list
    comes soon to rows that wait, wherever they are. CASE and OFFSET keep PostgreSQL from a choice of its own, which
    would be by what it last counted of entries.
    """
    keys = few(connection, renderer)
    if keys is not None:
        return of_keys(key, keys)
    its = select(outstanding.c.key).where(outstanding.c.renderer == renderer)
    some = its.limit(SOME + 1).subquery()
    if connection.execute(select(func.count()).select_from(some)).scalar_one() <= SOME:
        return case((cast(key, Text).in_(its), True), else_=False)
    return its.where(outstanding.c.key == cast(key, Text)).offset(0).exists()


def in_order(renderer: str, *, descending: bool = False) -> Subquery:
    """The keys (`key`) of a renderer's rows that have entries, in their order; a list that is full reads no more."""
    key = outstanding.c.key.desc() if descending else outstanding.c.key
    return select(outstanding.c.key).where(outstanding.c.renderer == renderer).distinct().order_by(key).subquery()


def without(
    connection: Connection,
    renderer: str,
    key: ColumnElement[Any],
    synced: ColumnElement[bool],
    heard: Iterable[Exists],
) -> ColumnElement[bool]:
    """Whether a row has no entry, or is `synced` all the same; where entries are many, whether it is, of each row.

    `heard`: for each target whether it has told of any row. Where one hasn't, no row is looked at: none is synced.
    """
    keys = few(connection, renderer)
    if keys is not None:
        return ~of_keys(key, keys) | synced
    return synced if connection.execute(select(and_(true(), *heard))).scalar_one() else false()


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
    return target in (known_targets(connection) or ())


def known_targets(connection: Connection) -> list[str] | None:
    """For which targets entries are taken away, which are crud's ROWCAST_TARGETS; None before it has looked once."""
    known: list[str] | None = connection.execute(_TARGETS).scalar_one_or_none()
    return known


def settle(engine: Engine, targets: Sequence[str], batch: int = BATCH) -> int:
    """Take away the entries of rows that all `targets` have; how many rows were looked at. Raises TransientError."""
    with changing(engine) as connection:
        connection.execute(_PATIENCE)
        if not connection.execute(_ALONE).scalar_one():
            return 0
        known = known_targets(connection)
        if known is None or set(targets) != set(known):
            connection.execute(_FIND, {"targets": list(targets)})
    after, looked_at = _BEGINNING, 0
    while True:
        with changing(engine) as connection:
            if not connection.execute(_ALONE).scalar_one():
                return looked_at
            number, last = _settle_some(connection, after, batch)
        looked_at += number
        if last is None:
            return looked_at
        after = last


def settle_told(engine: Engine, told: Told, batch: int = BATCH) -> None:
    """As `settle`, of these rows alone, for the targets that are known. Raises TransientError; none is lost by it."""
    while rows := told.take(batch):
        try:
            with changing(engine) as connection:
                if not connection.execute(_ALONE).scalar_one():
                    told.add(rows)
                    return
                keys = {"renderers": [row.renderer for row in rows], "keys": [row.key for row in rows]}
                connection.execute(_SETTLE_THESE, {**keys, "ours": APP_CONFIGS})
        except BaseException:
            told.add(rows)
            raise


def wait_to_settle(connection: Connection) -> None:
    """Nobody else takes entries away until the caller's transaction ends."""
    connection.execute(_IN_TURN)


def settle_within(connection: Connection, batch: int = BATCH) -> None:
    """As `settle`, in the caller's transaction and after `wait_to_settle`, for the targets that are known."""
    after: RowKey | None = _BEGINNING
    while after is not None:
        _, after = _settle_some(connection, after, batch)


def _settle_some(connection: Connection, after: RowKey, batch: int) -> tuple[int, RowKey | None]:
    """How many rows were looked at, and the last one; None where there are no more."""
    values = {"renderer": after.renderer, "key": after.key, "batch": batch, "ours": APP_CONFIGS}
    found = connection.execute(_SETTLE_NEXT, values).one()
    return found.number, RowKey(found.renderer, found.key) if found.number == batch else None


async def keep_settled(engine: Engine, targets: Sequence[str], told: Told) -> None:
    """Again and again, as `repeat` does; several instances may, one at a time does.

    A look at all entries takes as long as there are many, and so does the rest after it: those that can go are
    mostly of rows of which a target has just told, so these are looked at meanwhile.
    """
    due = 0.0

    async def step() -> float:
        nonlocal due
        started = time.monotonic()
        if started < due:
            await asyncio.to_thread(settle_told, engine, told)
        else:
            told.forget()
            await asyncio.to_thread(settle, engine, targets)
            due = time.monotonic() + REST * (time.monotonic() - started)
        return PAUSE_SECONDS

    waits = "rows that were delivered are not told from others"
    fails = "rows that were delivered could not be told from others"
    await repeat(step, PAUSE_SECONDS, logger="rowcast.crud.outstanding", waits=waits, fails=fails)
