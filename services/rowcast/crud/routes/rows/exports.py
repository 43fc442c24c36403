"""Configurations as a file."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from rowcast.crud.access.pool_shares import Shares
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.lists import Sort
from rowcast.crud.routes.streams import TableStream
from rowcast.crud.rows import queries
from rowcast.crud.rows.export import COLUMNS, MEDIA_TYPES, Export, Format, configurations
from rowcast.crud.settings import CrudSettings

router = APIRouter(tags=["configurations"])
_FILES = {
    MEDIA_TYPES["json"]: {"schema": {"type": "array", "items": {"type": "object", "required": list(COLUMNS)}}},
    MEDIA_TYPES["yaml"]: {"schema": {"type": "array", "items": {"type": "object", "required": list(COLUMNS)}}},
    **{MEDIA_TYPES[kind]: {"schema": {"type": "string"}} for kind in ("csv", "ndjson")},
}


@router.get(
    "/appconfigs:export",
    operation_id="exportAppConfigs",
    response_class=StreamingResponse,
    responses={**responses(), 200: {"content": _FILES, "description": "The file."}},
)
def export(
    asking: Asking,
    database: Database,
    settings: Settings,
    shares: PoolShares,
    format: Format = "json",  # noqa: A002 - the parameter's name in the API
    environment: Annotated[str | None, Query(max_length=63)] = None,
    search: Annotated[str | None, Query(max_length=2048)] = None,
    state: Annotated[queries.State | None, Query(description="As in the list.")] = None,
    sort: Sort = "id",
) -> StreamingResponse:
    """All configurations that match, as the list's filters have it, from one transaction; can be imported again."""
    patience = timedelta(seconds=settings.overdue_seconds)
    wanted = queries.ListFilter(environment, search, state, settings.targets, patience, asking.seen())
    return file(lambda: configurations(database, wanted, sort), "configurations", format, settings, shares)


def file(take: Callable[[], Export], name: str, kind: Format, settings: CrudSettings, shares: Shares) -> TableStream:
    """An export as a file to be saved as `name`, in the turn of those who read whole tables. Raises BusyError."""
    with ExitStack() as until_sent:
        shares.exports.take()
        until_sent.callback(shares.exports.give_back)
        taken = until_sent.enter_context(closing(take()))
        headers = {"content-disposition": f'attachment; filename="{name}.{kind}"'}
        close = until_sent.pop_all().close
        return TableStream(taken.written(kind), close, settings, MEDIA_TYPES[kind], headers)
