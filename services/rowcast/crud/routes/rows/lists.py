"""The list of configurations."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping

from rowcast.crud import paging
from rowcast.crud.errors import FieldError
from rowcast.crud.fields import Decimal
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.sync_states import Judge
from rowcast.crud.rows import queries, usecases
from rowcast.crud.rows.schemas import AppConfigListed, AppConfigPage

router = APIRouter(prefix="/appconfigs", tags=["configurations"])

Sort = Literal["name", "-name", "updated_at", "-updated_at", "id", "-id"]
Limit = Annotated[int, Decimal, Query(ge=1, le=1000, description="How many at most.")]
CursorText = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
_DEFAULT_SORT = "id"


@router.get("", operation_id="listAppConfigs", responses=responses())
def list_configs(
    asking: Asking,
    database: Database,
    settings: Settings,
    limit: Limit = 50,
    cursor: CursorText = None,
    environment: Annotated[str | None, Query(max_length=63, examples=["staging"])] = None,
    search: Annotated[
        str | None, Query(max_length=2048, description="A part of the name, repository or branch, in any case.")
    ] = None,
    state: Annotated[
        queries.State | None,
        Query(
            description="Over all targets: one that `failed` counts first, then one that is `pending`."
            " `overdue`: pending at any for longer than ROWCAST_OVERDUE_SECONDS."
            " `deleting`: rows that are gone from the table, but not from every target."
        ),
    ] = None,
    sort: Annotated[Sort | None, Query(description="A leading `-` is for descending. A cursor keeps its own.")] = None,
) -> AppConfigPage:
    """A page of configurations, each with what became of it at each target."""
    after = paging.decode(cursor) if cursor is not None else None
    order = _order(sort, after)
    patience = timedelta(seconds=settings.overdue_seconds)
    wanted = queries.ListFilter(environment, search, state, settings.targets, patience, asking.seen())
    listed = usecases.list_rows(database, wanted, order, after, limit)
    following, judge = listed.page.next_cursor, Judge(settings)
    return AppConfigPage(
        items=[_item(row, listed.statuses.get(row["id"], ()), settings.targets, judge) for row in listed.page.rows],
        next_cursor=paging.encode(following) if following else None,
        total=listed.page.total,
        total_capped=listed.page.total_capped,
    )


def _order(sort: str | None, after: paging.Cursor | None) -> str:
    if after is None:
        return sort or _DEFAULT_SORT
    if after.sort.removeprefix("-") not in queries.SORTABLE or after.sort.startswith("--"):
        raise FieldError("cursor", "cursor", "is not a cursor of this list")
    if sort is not None and sort != after.sort:
        raise FieldError("cursor", "cursor", f"continues a list sorted by {after.sort}, not {sort}")
    return after.sort


def _item(row: RowMapping, statuses: Sequence[RowMapping], targets: Sequence[str], judge: Judge) -> AppConfigListed:
    since = row.get("deleted_at") or row["created_at"]
    sync = {target: judge.unreported(since) for target in targets}
    sync.update({status["target"]: judge.reported(status) for status in statuses})
    return AppConfigListed.model_validate({**row, "sync": sync})
