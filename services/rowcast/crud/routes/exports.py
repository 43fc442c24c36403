"""Configurations as a file."""

from datetime import timedelta
from typing import Annotated

import anyio
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from rowcast.crud import queries
from rowcast.crud.answers import responses
from rowcast.crud.errors import FieldError
from rowcast.crud.export import MEDIA_TYPES, Export, Format
from rowcast.crud.routes.dependencies import Database, Settings
from rowcast.crud.routes.lists import Sort

router = APIRouter(tags=["configurations"])
_FILES = {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()}


@router.get(
    "/appconfigs:export",
    operation_id="exportAppConfigs",
    response_class=StreamingResponse,
    responses={**responses(), 200: {"content": _FILES, "description": "The file."}},
)
def export(
    database: Database,
    settings: Settings,
    format: Format = "json",  # noqa: A002 - the parameter's name in the API
    environment: Annotated[str | None, Query(max_length=63)] = None,
    search: Annotated[str | None, Query(max_length=2048)] = None,
    state: Annotated[queries.State | None, Query(description="As in the list.")] = None,
    sort: Sort = "id",
) -> StreamingResponse:
    """All configurations that match, as the list's filters have it, from one transaction; can be imported again."""
    for field, value in (("search", search), ("environment", environment)):
        if value is not None and "\x00" in value:
            raise FieldError(field, "printable", "must not have NUL characters")
    patience = timedelta(seconds=settings.overdue_seconds)
    wanted = queries.ListFilter(environment, search, state, settings.targets, patience)
    return _ExportResponse(Export(database, wanted, sort), format)


class _ExportResponse(StreamingResponse):
    """Ends the transaction when the answer does, also when its reader leaves."""

    def __init__(self, taken: Export, kind: Format) -> None:
        headers = {"content-disposition": f'attachment; filename="configurations.{kind}"'}
        super().__init__(taken.written(kind), media_type=MEDIA_TYPES[kind], headers=headers)
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._taken.close)
