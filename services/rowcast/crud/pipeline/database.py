"""What PostgreSQL knows of the way, but for the rows: its slot, what captures tables, the dead letters, the engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, select, text

from rowcast.core.rollout import UNDER_WAY
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.access.database_roles import excess_rights
from rowcast.crud.database.connections import reading
from rowcast.crud.database.tables import gitops_progress, rollouts
from rowcast.crud.migrations.capture import publication_faults, trigger_faults
from rowcast.crud.migrations.searches import all_rows_are_read
from rowcast.crud.pipeline.rows import Waiting
from rowcast.crud.sources.environments import unknown_environments
from rowcast.crud.sources.faults import SourceState, source_states

STATEMENT_MS = 1500

_SLOT = text("""
SELECT slot.slot_name IS NOT NULL AS present, slot.active, slot.wal_status, slot.database = current_database() AS ours,
    CAST(pg_current_wal_lsn() - '0/0' AS bigint) AS lsn,
    CAST(slot.confirmed_flush_lsn - '0/0' AS bigint) AS confirmed_lsn,
    CAST(pg_current_wal_lsn() - slot.confirmed_flush_lsn AS bigint) AS lag_bytes,
    CAST(pg_current_wal_lsn() - slot.restart_lsn AS bigint) AS retained_bytes,
    heart.beat_at, heart.marked_at, slot.confirmed_flush_lsn >= heart.marked_lsn AS mark_confirmed, now() AS now
FROM public.rowcast_heartbeat AS heart LEFT JOIN pg_replication_slots AS slot ON slot.slot_name = heart.slot_name
""")
# Those of before 0.3 have the ids of configurations alone, and those of events that nobody can read neither.
_LETTERS = text("""
SELECT coalesce(renderer, CASE WHEN row_id IS NOT NULL THEN :ours ELSE '' END) AS renderer, target,
    count(*) AS open, min(dead_lettered_at) AS oldest,
    (array_agg(coalesce(key, row_id::text) ORDER BY dead_lettered_at, id))[1] AS key
FROM public.dead_letters WHERE state = 'open' GROUP BY 1, 2 ORDER BY 1, 2
""")

Letters = Mapping[tuple[str, str], Waiting]
"""Open dead letters by renderer and target; the renderer is empty where no row is known."""


@dataclass(frozen=True)
class GitOpsEngine:
    """The last that a target told of its GitOps engine; `refused` has its words by row.

    It says so since `since`, and was asked at `observed_at`. `truncated`: more rows wait for it than are counted.
    """

    application: str
    revision: str | None
    sync: str
    health: str
    message: str | None
    since: datetime
    observed_at: datetime
    pending: int
    truncated: bool
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Guards:
    """What is wrong with what capture rests on, and what crud's login may do beyond serving, in words."""

    triggers: Sequence[str] = ()
    publication: Sequence[str] = ()
    login: str = ""
    excess: Sequence[str] = ()


@dataclass(frozen=True)
class DatabaseFacts:
    """All of it, from one transaction. The events of all that was committed before `published_at` are at the broker."""

    now: datetime
    slot: Mapping[str, Any]
    letters: Letters = field(default_factory=dict)
    engines: Mapping[str, GitOpsEngine] = field(default_factory=dict)
    guards: Guards = Guards()
    sources: Sequence[SourceState] = ()
    published_at: datetime | None = None
    rollouts: Mapping[str, str] = field(default_factory=dict)
    """The state of the one that is under way, by renderer."""
    unknown_environments: Mapping[str, int] = field(default_factory=dict)
    """Of how many rows it isn't known where they go, by renderer."""
    slow_searches: bool = False
    """Whether searches read all rows, for want of pg_trgm or its indexes."""


def read(engine: Engine, targets: Sequence[str], published_at: datetime | None = None) -> DatabaseFacts:
    """Ask the database. `published_at` is what was found before, and holds until there is a later one.

    Raises TransientError.
    """
    with reading(engine) as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_MS}"))
        slot = connection.execute(_SLOT).mappings().one()
        # A mark moves on once it is confirmed, so of two looks one finds it confirmed.
        published_at = slot["marked_at"] if slot["mark_confirmed"] else published_at
        letters, engines = _letters(connection), _engines(connection, targets)
        guards, sources = _guards(connection), source_states(connection)
        under_way = select(rollouts.c.renderer, rollouts.c.state).where(rollouts.c.state.in_(UNDER_WAY))
        states = {row["renderer"]: row["state"] for row in connection.execute(under_way).mappings()}
        return DatabaseFacts(
            slot["now"],
            dict(slot),
            letters,
            engines,
            guards,
            sources,
            published_at,
            states,
            unknown_environments(connection),
            all_rows_are_read(connection),
        )


def _guards(connection: Connection) -> Guards:
    login, excess = excess_rights(connection)
    return Guards(trigger_faults(connection), publication_faults(connection), login, excess)


def _letters(connection: Connection) -> dict[tuple[str, str], Waiting]:
    found = connection.execute(_LETTERS, {"ours": APP_CONFIGS}).mappings()
    return {
        (row["renderer"], row["target"]): Waiting(
            row["open"], 0, row["oldest"], RowKey(row["renderer"], row["key"]) if row["key"] is not None else None
        )
        for row in found
    }


def _engines(connection: Connection, targets: Sequence[str]) -> dict[str, GitOpsEngine]:
    its = gitops_progress.c
    columns = (*(column for column in its if column.name != "pending"), func.cardinality(its.pending).label("pending"))
    found = connection.execute(select(*columns).where(its.target.in_(targets))).mappings()
    return {row["target"]: _engine(row) for row in found}


def _engine(row: RowMapping) -> GitOpsEngine:
    told = {name: row[name] for name in ("application", "revision", "sync", "health", "message", "observed_at")}
    since = row["since"] or row["observed_at"]
    return GitOpsEngine(
        **told, since=since, pending=row["pending"], truncated=row["pending_truncated"], refused=row["errors"]
    )
