"""What PostgreSQL knows of the way: its slot, the rows and how they are, the deletions, the dead letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Executable, RowMapping, func, literal, select, text, true

from rowcast.crud.database import reading
from rowcast.crud.deletions import on_its_way
from rowcast.crud.migrations.capture import publication_faults, trigger_faults
from rowcast.crud.migrations.roles import excess_rights
from rowcast.crud.models import app_configs, deletions, gitops_progress, sync_statuses
from rowcast.crud.states import cells, expected

STATEMENT_MS = 1500
GRACE = timedelta(seconds=5)
"""More than a transaction of crud's takes: what it writes bears the time of its start, and is in the log at its end."""

_SLOT = text("""
SELECT slot.slot_name IS NOT NULL AS present, slot.active, slot.wal_status, slot.database = current_database() AS ours,
    CAST(pg_current_wal_lsn() - '0/0' AS bigint) AS lsn,
    CAST(slot.confirmed_flush_lsn - '0/0' AS bigint) AS confirmed_lsn,
    CAST(pg_current_wal_lsn() - slot.confirmed_flush_lsn AS bigint) AS lag_bytes,
    CAST(pg_current_wal_lsn() - slot.restart_lsn AS bigint) AS retained_bytes,
    heart.beat_at, heart.marked_at, slot.confirmed_flush_lsn >= heart.marked_lsn AS mark_confirmed, now() AS now
FROM public.rowcast_heartbeat AS heart LEFT JOIN pg_replication_slots AS slot ON slot.slot_name = heart.slot_name
""")
_LETTERS = text("""
SELECT target, count(*) AS open, min(dead_lettered_at) AS oldest FROM public.dead_letters WHERE state = 'open'
GROUP BY target
""")


@dataclass(frozen=True)
class Waiting:
    """Of one target, or of a kind of thing: how many, how many of them too long, and the oldest one's time."""

    count: int = 0
    overdue: int = 0
    since: datetime | None = None


@dataclass(frozen=True)
class Rows:
    """Configurations over all targets, and those that each target has not got, or has refused.

    `unheard` counts, by target, the rows and deletions of which it has told nothing though their events were published;
    it is None where it is not known what was published.
    """

    total: int
    synced: int
    failed: int
    pending: Mapping[str, Waiting]
    refused: Mapping[str, int]
    deletions: Waiting
    unheard: Mapping[str, int] | None = None


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
    rows: Rows
    letters: Mapping[str, Waiting]
    engines: Mapping[str, GitOpsEngine] = field(default_factory=dict)
    guards: Guards = Guards()
    published_at: datetime | None = None


def read(
    engine: Engine, targets: Sequence[str], patience: timedelta, published_at: datetime | None = None
) -> DatabaseFacts:
    """Ask the database. `published_at` is what was found before, and holds until there is a later one.

    Raises TransientError.
    """
    with reading(engine) as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_MS}"))
        slot = connection.execute(_SLOT).mappings().one()
        # A mark moves on once it is confirmed, so of two looks one finds it confirmed.
        published_at = slot["marked_at"] if slot["mark_confirmed"] else published_at
        rows = _rows(connection, targets, slot["now"] - patience, published_at and published_at - GRACE)
        letters, engines = _letters(connection), _engines(connection, targets)
        guards = _guards(connection)
        return DatabaseFacts(slot["now"], dict(slot), rows, letters, engines, guards, published_at)


def _guards(connection: Connection) -> Guards:
    login, excess = excess_rights(connection)
    return Guards(trigger_faults(connection), publication_faults(connection), login, excess)


def _rows(connection: Connection, targets: Sequence[str], late: datetime, published: datetime | None) -> Rows:
    by_target = {row["target"]: row for row in connection.execute(_by_target(targets, late, published)).mappings()}
    whole = connection.execute(_whole(targets)).mappings().one()
    return Rows(
        total=whole["total"],
        synced=whole["synced"],
        failed=whole["failed"],
        pending={target: _waiting(by_target.get(target)) for target in targets},
        refused={target: by_target[target]["failed"] if target in by_target else 0 for target in targets},
        deletions=_waiting(connection.execute(_deletions(targets, late)).mappings().one()),
        unheard=_unheard(connection, targets, by_target, published) if published else None,
    )


def _by_target(targets: Sequence[str], late: datetime, published: datetime | None) -> Executable:
    cell = cells(targets).c
    count, pending = func.count(), cell.state == "pending"
    columns = (
        count.filter(pending).label("count"),
        count.filter(pending & (cell.since < late)).label("overdue"),
        func.min(cell.since).label("since"),
        count.filter(pending & (cell.since < literal(published, cell.since.type))).label("unheard"),
        count.filter(cell.state == "failed").label("failed"),
    )
    return select(cell.target, *columns).group_by(cell.target)


def _whole(targets: Sequence[str]) -> Executable:
    cell = cells(targets).c
    failed, synced = func.bool_or(cell.state == "failed"), func.bool_and(cell.state == "synced")
    row = select(failed.label("failed"), synced.label("synced")).group_by(cell.id).subquery().c
    count = func.count()
    return select(
        count.label("total"), count.filter(row.failed).label("failed"), count.filter(row.synced).label("synced")
    )


def _deletions(targets: Sequence[str], late: datetime) -> Executable:
    since, count = deletions.c.deleted_at, func.count()
    columns = (count.label("count"), count.filter(since < late).label("overdue"), func.min(since).label("since"))
    return select(*columns).where(on_its_way(targets))


def _unheard(
    connection: Connection, targets: Sequence[str], by_target: Mapping[str, RowMapping], published: datetime
) -> Mapping[str, int]:
    gone = {row.target: row.number for row in connection.execute(_unheard_deletions(targets, published))}
    there = {target: row["unheard"] for target, row in by_target.items()}
    return {target: gone.get(target, 0) + there.get(target, 0) for target in targets}


def _unheard_deletions(targets: Sequence[str], published: datetime) -> Executable:
    """By target. One that a target has proposed, or refused, was heard of."""
    target = expected(targets)
    its = (sync_statuses.c.row_id == deletions.c.id) & (sync_statuses.c.target == target.c.target)
    back = select(app_configs.c.id).where(app_configs.c.id == deletions.c.id).exists()
    untold = func.coalesce(~sync_statuses.c.deleted, True) & ~back
    return (
        select(target.c.target, func.count().label("number"))
        .select_from(deletions.join(target, true()).outerjoin(sync_statuses, its))
        .where(deletions.c.deleted_at < published, untold)
        .group_by(target.c.target)
    )


def _letters(connection: Connection) -> dict[str, Waiting]:
    found = connection.execute(_LETTERS).mappings()
    return {row["target"]: Waiting(row["open"], 0, row["oldest"]) for row in found}


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


def _waiting(row: RowMapping | None) -> Waiting:
    return Waiting(row["count"], row["overdue"], row["since"]) if row else Waiting()
