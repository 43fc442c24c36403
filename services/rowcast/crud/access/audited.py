"""What is kept of who did what: read a page at a time, and let go when it is old enough."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from rowcast.crud.database.pruning import Pruning
from rowcast.crud.database.tables import audit
from rowcast.crud.paging import Cursor, Page

CURSOR = "audit"
AUDIT = Pruning("the audit", "rowcast.prune_audit", batch=1000, pause=3600.0)


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
