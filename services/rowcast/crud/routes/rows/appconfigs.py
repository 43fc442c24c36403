"""One configuration at a time."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import RowMapping

from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database, IfMatch, IfNoneMatch, RowId
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.guards import guarded, must_enter, seen
from rowcast.crud.rows import usecases
from rowcast.crud.rows.preconditions import etag, expectation, not_modified
from rowcast.crud.rows.schemas import AppConfigChange, AppConfigIn, AppConfigOut

router = APIRouter(prefix="/appconfigs", tags=["configurations"])


def _answer(row: RowMapping, response: Response) -> AppConfigOut:
    response.headers["etag"] = etag(row["generation"])
    return AppConfigOut.model_validate(dict(row))


@router.post("", status_code=201, operation_id="createAppConfig", responses=responses(409))
def create(
    config: AppConfigIn, response: Response, request: Request, asking: Asking, database: Database, actor: Actor
) -> AppConfigOut:
    """Creates a configuration; `Location` and `ETag` say where and at which generation it is."""
    must_enter(asking, config.model_dump())
    row = usecases.create(database, actor, config.model_dump())
    response.headers["location"] = f"{request.scope.get('root_path', '')}/appconfigs/{row['id']}"
    return _answer(row, response)


@router.get("/{id:segment}", operation_id="getAppConfig", response_model=AppConfigOut, responses=responses(404, 412))
def read(
    id: RowId,  # noqa: A002 - the parameter's name in the API
    response: Response,
    asking: Asking,
    database: Database,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> AppConfigOut | Response:
    """One configuration; 304 if the caller has it already."""
    row = usecases.get(database, id)
    seen(asking, row)
    expectation(if_match)(row)
    if not_modified(if_none_match, row["generation"]):
        return Response(status_code=304, headers={"etag": etag(row["generation"])})
    return _answer(row, response)


@router.put("/{id:segment}", operation_id="replaceAppConfig", responses=responses(404, 409, 412))
def replace(
    id: RowId,  # noqa: A002
    config: AppConfigIn,
    response: Response,
    asking: Asking,
    database: Database,
    actor: Actor,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> AppConfigOut:
    """Replaces a configuration. One that changes nothing leaves the generation as it is."""
    must_enter(asking, config.model_dump())
    expect = guarded(asking, "edit", expectation(if_match, if_none_match))
    return _answer(usecases.change(database, actor, id, config.model_dump(), expect), response)


@router.patch("/{id:segment}", operation_id="changeAppConfig", responses=responses(404, 409, 412))
def change(
    id: RowId,  # noqa: A002
    config: AppConfigChange,
    response: Response,
    asking: Asking,
    database: Database,
    actor: Actor,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> AppConfigOut:
    """Changes the given fields (JSON Merge Patch, RFC 7396). What changes nothing leaves the generation as it is."""
    must_enter(asking, config.fields())
    expect = guarded(asking, "edit", expectation(if_match, if_none_match))
    return _answer(usecases.change(database, actor, id, config.fields(), expect), response)


@router.delete(
    "/{id:segment}",
    status_code=204,
    response_class=Response,
    operation_id="deleteAppConfig",
    responses=responses(404, 409, 412),
)
def remove(
    id: RowId,  # noqa: A002
    asking: Asking,
    database: Database,
    actor: Actor,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    """Deletes a configuration; its history stays."""
    usecases.remove(database, actor, id, guarded(asking, "delete", expectation(if_match, if_none_match)))
