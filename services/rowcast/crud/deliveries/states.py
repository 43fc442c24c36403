"""The state of a row at its targets, as SQL over `app_configs` and `sync_statuses`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Values, case, column, func, literal, select, values

from rowcast.core.row import APP_CONFIGS
from rowcast.crud.database.tables import app_configs, history, sync_statuses
from rowcast.crud.deliveries import outstanding

Overall = Literal["synced", "pending", "failed"]


def expected(targets: Sequence[str]) -> Values:
    """A table of the targets, whose only column is `target`."""
    name = column("target", sync_statuses.c.target.type)
    return values(name, name="expected").data([(target,) for target in targets])


def state() -> ColumnElement[str]:
    """The state of a status, beside its row if that is there: `pending` for a row without a status."""
    status, row = sync_statuses.c, app_configs.c
    current = case(
        (row.id.is_(None), status.deleted), else_=~status.deleted & (status.observed_generation >= row.generation)
    )
    failed = _failure()
    # A failure of a generation that has been passed by says nothing of the present one.
    failed_now = failed & func.coalesce(status.observed_generation >= row.generation, True)
    return case((failed_now, "failed"), (current & ~failed, "synced"), else_="pending")


def pending_since() -> ColumnElement[datetime]:
    """When the oldest change was made that a target hasn't observed: a row that keeps changing grows no younger."""
    status, row = sync_statuses.c, app_configs.c
    missed = (
        select(func.min(history.c.changed_at))
        .where(history.c.row_id == status.row_id, history.c.generation > status.observed_generation)
        .scalar_subquery()
    )
    return case(
        (status.row_id.is_(None), row.created_at),
        (status.observed_generation >= row.generation - 1, row.updated_at),
        else_=func.coalesce(missed, row.updated_at),
    )


def overdue(connection: Connection, targets: Sequence[str], patience: timedelta) -> ColumnElement[bool]:
    """A listed row that some target has not got for longer than that, and has not refused."""
    row = app_configs.c
    wanted = expected(targets)
    its = (sync_statuses.c.row_id == row.id) & (sync_statuses.c.target == wanted.c.target)
    late = func.now() - literal(patience)
    pending = sync_statuses.c.row_id.is_(None) | (state() == "pending")
    waiting = (
        select(literal(1))
        .select_from(wanted.outerjoin(sync_statuses, its))
        .where(pending, pending_since() < late)
        .correlate(app_configs)
    )
    return outstanding.listed(connection, APP_CONFIGS, row.id) & (row.created_at < late) & waiting.exists()


def _failure() -> ColumnElement[bool]:
    """As the index sync_statuses_failed has it."""
    return (sync_statuses.c.outcome == "dead-lettered") | sync_statuses.c.error.is_not(None)


def in_state(connection: Connection, wanted: Overall, targets: Sequence[str]) -> ColumnElement[bool]:
    """A listed row whose targets, taken together, are in this state: one that failed counts before one that waits."""
    status, row = sync_statuses.c, app_configs.c
    its = status.row_id == row.id
    failed = _failure() & (status.observed_generation >= row.generation)
    if wanted == "failed":
        found = connection.execute(select(status.row_id).where(_failure()).limit(outstanding.FEW + 1)).scalars().all()
        has_failed = select(literal(1)).where(its, failed).offset(0).exists()
        return has_failed if len(found) > outstanding.FEW else outstanding.of_keys(row.id, found) & has_failed
    current = ~status.deleted & (status.observed_generation >= row.generation) & ~_failure()
    synced = func.count().filter(current, status.target.in_(targets)) == len(targets)
    # One look at a row's statuses: three of them, one a condition, take three times as long.
    overall = case((func.bool_or(failed), "failed"), (synced & func.bool_and(current), "synced"), else_="pending")
    is_it = select(overall).where(its).scalar_subquery() == wanted
    if wanted == "synced":
        heard = (select(literal(1)).where(status.target == target).exists() for target in targets)
        return outstanding.without(connection, APP_CONFIGS, row.id, is_it, heard)
    return outstanding.listed(connection, APP_CONFIGS, row.id) & is_it
