"""What targets have not got of the tables' rows, as SQL: a cell is a row, or a deletion, at a target that lacks it.

Cells have `renderer`, `key`, `target`, `deleted`, `state` and `since`. The state is `pending`, `failed`, or `proposed`
for a deletion that waits in a pull request; `since` is null for a row that was refused. Each target is looked at by
itself, which takes PostgreSQL less than all of them side by side.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.database.tables import app_configs, deletions, row_statuses, rows, sync_statuses
from rowcast.crud.deliveries import of_rows, outstanding
from rowcast.crud.deliveries.deletions import made
from rowcast.crud.deliveries.gitops import PROPOSED
from rowcast.crud.deliveries.states import pending_since, state


def of_configurations(targets: Sequence[str], few: Sequence[str] | None) -> CTE:
    """The cells of the built-in renderer; its deletions have a table of their own. `few`: as `outstanding` has it."""
    among = outstanding.among(app_configs.c.id, few)
    each = (part for target in targets for part in (_configurations(target, among), _deletions(target)))
    return union_all(*each).cte("cells")


def of_others(targets: Sequence[str], few: Sequence[RowKey] | None) -> CTE:
    """The cells of all other renderers' rows. A row was refused, too, if its key is none that sync can take.

    No table has their earlier changes: one that changes again and again is as old as its last change.
    """
    among = outstanding.among_others(rows.c.renderer, rows.c.key, few)
    return union_all(*(_rows(target, among) for target in targets)).cte("cells")


def for_unknown_targets(
    connection: Connection,
    targets: Sequence[str],
    few_of_ours: Sequence[str] | None,
    few_of_others: Sequence[RowKey] | None,
) -> dict[str, int]:
    """How many rows wait, by target, for one that isn't among `targets`, and has told of them before.

    It is asked of what is outstanding, as the others are: a row that all have as it is waits for nobody.
    """
    ours, others = sync_statuses.c, row_statuses.c
    configurations = (
        select(ours.target)
        .select_from(app_configs.join(sync_statuses, ours.row_id == app_configs.c.id))
        .where(outstanding.among(app_configs.c.id, few_of_ours), ours.target.not_in(targets), state() != "synced")
    )
    among = outstanding.among_others(rows.c.renderer, rows.c.key, few_of_others)
    its = and_(others.renderer == rows.c.renderer, others.key == rows.c.key)
    of_tables = (
        select(others.target)
        .select_from(rows.join(row_statuses, its))
        .where(among, of_rows.captured(), others.target.not_in(targets), of_rows.state() != "synced")
    )
    waiting = union_all(configurations, of_tables).subquery("waiting").c.target
    found = connection.execute(select(waiting, func.count()).group_by(waiting).order_by(waiting))
    return {row[0]: row[1] for row in found}


def _configurations(target: str, among: ColumnElement[bool]) -> Select[Any]:
    status = sync_statuses.c
    its = and_(status.row_id == app_configs.c.id, status.target == target)
    columns = (
        literal(APP_CONFIGS).label("renderer"),
        cast(app_configs.c.id, Text).label("key"),
        literal(target).label("target"),
        false().label("deleted"),
        state().label("state"),
        case((state() == "pending", pending_since())).label("since"),
    )
    return select(*columns).select_from(app_configs.outerjoin(sync_statuses, its)).where(among, state() != "synced")


def _deletions(target: str) -> Select[Any]:
    status, gone = sync_statuses.c, deletions.c
    its = and_(status.row_id == gone.id, status.target == target)
    back = select(app_configs.c.id).where(app_configs.c.id == gone.id).exists()
    proposed = (func.coalesce(status.stage, "") == PROPOSED, "proposed")
    columns = (
        literal(APP_CONFIGS),
        cast(gone.id, Text),
        literal(target),
        true(),
        case((func.coalesce(~status.deleted, True), "pending"), proposed, else_="failed"),
        gone.deleted_at,
    )
    lacking = ~func.coalesce(made(), False)
    return select(*columns).select_from(deletions.outerjoin(sync_statuses, its)).where(lacking, ~back)


def _rows(target: str, among: ColumnElement[bool]) -> Select[Any]:
    status = row_statuses.c
    its = and_(status.renderer == rows.c.renderer, status.key == rows.c.key, status.target == target)
    proposed = and_(rows.c.deleted, of_rows.state() == "synced", status.stage == PROPOSED)
    cell = case((~of_rows.readable(), "failed"), (proposed, "proposed"), else_=of_rows.state())
    columns = (
        rows.c.renderer,
        rows.c.key,
        literal(target).label("target"),
        rows.c.deleted,
        cell.label("state"),
        case((or_(rows.c.deleted, cell == "pending"), rows.c.changed_at)).label("since"),
    )
    # A row that was deleted before a target has told anything of it is nothing to that target.
    known = or_(~rows.c.deleted, status.key.is_not(None))
    return (
        select(*columns)
        .select_from(rows.outerjoin(row_statuses, its))
        .where(among, of_rows.captured(), known, cell != "synced")
    )
