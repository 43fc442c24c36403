"""A configuration's history and what became of it; both outlive it."""

from fastapi import APIRouter

from rowcast.core.row import app_config
from rowcast.crud import paging
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import FieldError
from rowcast.crud.proposals import records
from rowcast.crud.renderers import promotions
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database, RowId, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.reads import as_dict
from rowcast.crud.routes.rows.guards import must_see
from rowcast.crud.routes.rows.lists import CursorText, Limit
from rowcast.crud.routes.rows.sync_states import Judge
from rowcast.crud.rows import usecases
from rowcast.crud.rows.schemas import HistoryEntry, HistoryPage, StatusOut

router = APIRouter(prefix="/appconfigs", tags=["configurations"])


@router.get("/{id:segment}/history", operation_id="getAppConfigHistory", responses=responses(404))
def history(
    id: RowId,  # noqa: A002
    asking: Asking,
    database: Database,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> HistoryPage:
    """Every change, newest first, with who, when, before and after; direct SQL edits are among them."""
    before = paging.decode(cursor) if cursor is not None else None
    if before is not None and before.sort != "history":
        raise FieldError("cursor", "cursor", "is not a cursor of a history")
    must_see(asking, database, id)
    page = usecases.row_history(database, id, before, limit, asking.seen())
    with reading(database) as connection:
        promoted = promotions.made(
            connection,
            app_config(id),
            [row["generation"] for row in page.rows if row["change"] == "updated"],
            asking.seen(),
        )
        proposed = records.made_by(connection, app_config(id), [row["generation"] for row in page.rows])
    return HistoryPage(
        items=[
            HistoryEntry.model_validate(
                {
                    **row,
                    "promotion": as_dict(promoted.get(row["generation"]) if row["change"] == "updated" else None),
                    "proposal": as_dict(proposed.get(row["generation"])),
                }
            )
            for row in page.rows
        ],
        next_cursor=paging.encode(page.next_cursor) if page.next_cursor else None,
    )


@router.get("/{id:segment}/status", operation_id="getAppConfigStatus", responses=responses(404))
def status(id: RowId, asking: Asking, database: Database, settings: Settings) -> StatusOut:  # noqa: A002
    """What became of a configuration at each target, and when."""
    must_see(asking, database, id)
    found = usecases.row_status(database, id)
    judge = Judge(settings)
    targets = {target: judge.no_status(target, found.since) for target in settings.targets}
    targets.update({row["target"]: judge.status(row) for row in found.statuses})
    deleting = found.generation is None and found.since is not None
    return StatusOut(id=id, generation=found.generation, deleting=deleting, targets=targets)
