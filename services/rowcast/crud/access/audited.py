"""What is kept of who did what: read a page at a time, and let go when it is old enough."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Engine, select, text

from rowcast.core.errors import TransientError
from rowcast.crud.database.connections import changing
from rowcast.crud.database.tables import audit
from rowcast.crud.paging import Cursor, Page
from rowcast.runtime.logging import get_logger

CURSOR = "audit"
BATCH = 1000
PAUSE_SECONDS = 3600.0
_PRUNE = text("SELECT rowcast.prune_audit(:older_than, :batch)")


@dataclass(frozen=True)
class AuditFilter:
    """Which entries; None means any. `person` is whom the policy knows, or what they are called."""

    person: str | None = None
    renderer: str | None = None
    environment: str | None = None
    outcome: str | None = None
    request_id: str | None = None


def page(connection: Connection, wanted: AuditFilter, before: Cursor | None, limit: int) -> Page:
    """One page, newest first. `total` isn't counted (0)."""
    query = select(audit).where(*_conditions(wanted)).order_by(audit.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(audit.c.id < before.row_id)
    rows = connection.execute(query).mappings().all()
    more, rows = len(rows) > limit, rows[:limit]
    return Page(rows, Cursor(CURSOR, "", rows[-1]["id"]) if more else None, 0)


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.person is not None:
        conditions.append((audit.c.subject == wanted.person) | (audit.c.person == wanted.person))
    if wanted.environment is not None:
        conditions.append(audit.c.environments.contains([wanted.environment]))
    for name in ("renderer", "outcome", "request_id"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(audit.c[name] == value)
    return conditions


def prune(engine: Engine, older_than: timedelta, batch: int = BATCH) -> int:
    """Let the oldest go; how many. Raises TransientError."""
    with changing(engine) as connection:
        return int(connection.execute(_PRUNE, {"older_than": older_than, "batch": batch}).scalar_one())


async def keep_pruning_audit(engine: Engine, older_than: timedelta) -> None:
    """For ever, now and then; several instances may."""
    log = get_logger("rowcast.audit")
    while True:
        pruned = 0
        try:
            pruned = await asyncio.to_thread(prune, engine, older_than)
        except TransientError as error:
            log.info("the audit could not be pruned", error=str(error))
        except Exception:
            log.exception("the audit could not be pruned")
        if pruned < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)
