"""Rows that are gone from the table and not yet from every target."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, select

from rowcast.crud.database.tables import app_configs, deletions, sync_statuses
from rowcast.crud.deliveries.gitops import PROPOSED


def lock(connection: Connection, row_ids: Sequence[int]) -> None:
    """Makes two targets that report on one deletion wait for each other, or neither would see that it was the last."""
    chosen = deletions.c.id.in_(row_ids)
    connection.execute(select(deletions.c.id).where(chosen).order_by(deletions.c.id).with_for_update())


def settle(connection: Connection, row_ids: Sequence[int], targets: Sequence[str]) -> int:
    """Takes out of these deletions those that every target has made; how many they are. `lock` must come before."""
    chosen = deletions.c.id.in_(row_ids)
    return connection.execute(delete(deletions).where(chosen, ~on_its_way(targets))).rowcount


def settle_all(connection: Connection, targets: Sequence[str]) -> int:
    """As `settle`, of all deletions, for where a target no longer counts: nobody tells of them again."""
    return connection.execute(delete(deletions).where(~on_its_way(targets))).rowcount


def on_its_way(targets: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row of the table of deletions is still missing at some of `targets`, and has not come back."""
    status = sync_statuses.c
    told = select(func.count()).where(status.row_id == deletions.c.id, status.target.in_(targets), made())
    back = select(app_configs.c.id).where(app_configs.c.id == deletions.c.id).exists()
    return (told.scalar_subquery() < len(targets)) & ~back


def made() -> ColumnElement[bool]:
    """Whether a status says that its target has deleted the row."""
    status = sync_statuses.c
    proposed = func.coalesce(status.stage, "") == PROPOSED
    return status.deleted & (status.outcome != "dead-lettered") & ~proposed & status.error.is_(None)
