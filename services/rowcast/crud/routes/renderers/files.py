"""A renderer's rows as files: what there is of them, and many from a file."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError

from rowcast.crud.database.connections import reading
from rowcast.crud.errors import FieldError
from rowcast.crud.fields import Boolean
from rowcast.crud.renderers import rows
from rowcast.crud.renderers.editing import Permit
from rowcast.crud.renderers.imports import CSV, NDJSON, as_exported, import_rows, rows_of
from rowcast.crud.renderers.tables import source_table
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database, PoolShares, Settings
from rowcast.crud.routes.errors import ProblemItem, responses
from rowcast.crud.routes.renderers.reads import (
    Direction,
    Environment,
    Name,
    Search,
    Sort,
    State,
    Values,
    order_wanted,
    values_wanted,
)
from rowcast.crud.routes.rows.exports import file
from rowcast.crud.routes.rows.imports import ImportIn, counted, problem_of
from rowcast.crud.rows import imports
from rowcast.crud.rows.export import MEDIA_TYPES, Export, Format
from rowcast.crud.rows.imports import ImportRefusedError, Line

router = APIRouter(prefix="/renderers", tags=["renderers"])
_FILES: dict[str, Any] = {media: {"schema": {}} for media in MEDIA_TYPES.values()}
_JSON = "application/json"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": ImportIn.model_json_schema()},
            CSV: {"schema": {"type": "string"}},
            NDJSON: {"schema": {"type": "string"}},
        },
    }
}


class RowImportLine(BaseModel):
    """What becomes of the row at `index`; `fields` has before and after of what differs."""

    index: int
    key: str
    action: imports.Action
    fields: dict[str, tuple[Any, Any]]
    errors: list[ProblemItem]


class RowImport(BaseModel):
    """What an import did, or would do."""

    created: int
    changed: int
    unchanged: int
    refused: int
    lines: list[RowImportLine]


async def _body(request: Request) -> bytes:
    return await request.body()


@router.get(
    "/{name}/rows:export",
    operation_id="exportRows",
    response_class=StreamingResponse,
    responses={**responses(404), 200: {"content": _FILES, "description": "The file."}},
)
def export(
    name: Name,
    asking: Asking,
    database: Database,
    settings: Settings,
    shares: PoolShares,
    format: Format = "ndjson",  # noqa: A002 - the parameter's name in the API
    search: Search = None,
    state: State = None,
    sort: Sort = None,
    order: Direction = None,
    filter: Values = None,  # noqa: A002
    environment: Environment = None,
) -> StreamingResponse:
    """All rows that match, as the list's filters have it, from one transaction; can be imported again."""
    with reading(database) as connection:
        table = source_table(connection, name)
    values = values_wanted(filter, table)
    wanted = rows.RowFilter(name, search, state, settings.targets, values, environment, asking.seen(name))
    by = order_wanted(sort, order, None, table)
    columns, exported = as_exported(table, format)

    def export() -> Export:
        return Export(database, lambda connection: rows.whole_list(connection, wanted, by), columns, exported)

    return file(export, name, format, settings, shares)


@router.post(
    "/{name}/rows:import",
    operation_id="importRows",
    response_model=RowImport,
    responses=responses(403, 404, 409),
    openapi_extra=_BODY,
)
def import_file(
    name: Name,
    request: Request,
    content: Annotated[bytes, Depends(_body)],
    asking: Asking,
    database: Database,
    actor: Actor,
    dry_run: Annotated[bool, Boolean, Query(description="Say what would be done, and do nothing.")] = False,
    partial: Annotated[bool, Boolean, Query(description="Leave out what is refused, instead of refusing all.")] = False,
) -> RowImport | JSONResponse:
    """Creates or changes up to 1,000 rows, which it knows by their keys, in one transaction; deletes none.

    The body is a file as the export gives it (CSV, NDJSON), or `{"rows": […]}`, which may have `dry_run` and `partial`,
    too. A column that a row leaves out stays as it is. If some are refused, 422 has the same report and nothing is
    changed. A dry run does it all and takes it back: the database's own rules are looked at, and sequences go on.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given: Sequence[Mapping[str, Any]]
    if media_type in (CSV, NDJSON):
        given = rows_of(content, media_type)
    else:
        wanted = _json(content)
        given, dry_run, partial = wanted.rows, dry_run or wanted.dry_run, partial or wanted.partial
    try:
        cells = media_type == CSV
        lines = import_rows(database, actor, Permit(asking, name), given, cells=cells, partial=partial, dry_run=dry_run)
        return RowImport.model_validate(_report(lines))
    except ImportRefusedError as error:
        return problem_of(str(error), error.lines, _report(error.lines))


def _json(content: bytes) -> ImportIn:
    try:
        return ImportIn.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise FieldError(field, str(first["type"]).replace("_", "-"), first["msg"]) from None


def _report(lines: Sequence[Line]) -> Mapping[str, Any]:
    return counted(lines) | {"lines": [{**vars(line), "key": line.name, "errors": list(line.errors)} for line in lines]}
