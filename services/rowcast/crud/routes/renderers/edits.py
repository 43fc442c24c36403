"""Changes of a renderer's rows, where its declaration says `edit: true`."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping

from rowcast.core.row import KEY_MAX
from rowcast.crud.fields import MAX_BATCH, MAX_ID, Strict
from rowcast.crud.renderers.editing import Editor, Operation, Permit, apply_batch, edit
from rowcast.crud.renderers.schemas import RowOut, RowsOut
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database, IfMatch, IfNoneMatch, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.reads import Key, Name, answered, with_targets
from rowcast.crud.rows.preconditions import expectation
from rowcast.crud.settings import CrudSettings

router = APIRouter(prefix="/renderers", tags=["renderers"])
Values = Annotated[
    dict[str, Any],
    Field(description="by column: a text, or a number, boolean or null; an array's list; any JSON of a document"),
]


class RowIn(Strict):
    """Columns and their values; those that are left out stay, or have their default."""

    values: Values


class OperationIn(Strict):
    """A change of one row; `key` and `generation` are of the row that it is for."""

    op: Literal["create", "update", "delete"]
    key: Annotated[str, Field(max_length=KEY_MAX)] | None = None
    generation: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    values: Values = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "OperationIn":
        if (self.key is None) != (self.op == "create"):
            said = "is for a row that is there" if self.op == "create" else "must name the row"
            raise PydanticCustomError("key", said)
        if self.op == "delete" and self.values:
            raise PydanticCustomError("values", "has no place in a deletion")
        return self


class OperationsIn(Strict):
    """Changes that are made all or not at all."""

    operations: Annotated[list[OperationIn], Field(min_length=1, max_length=MAX_BATCH)]


@router.post("/{name}/rows", status_code=201, operation_id="createRow", responses=responses(403, 404, 409))
def create(
    name: Name,
    given: RowIn,
    response: Response,
    request: Request,
    asking: Asking,
    database: Database,
    settings: Settings,
    actor: Actor,
) -> RowOut:
    """Creates a row of the table; `Location` and `ETag` say where and at which generation it is."""

    def work(editor: Editor) -> RowOut:
        return _answer(editor, [editor.create(given.values)], settings)[0]

    made = answered(edit(database, actor, Permit(asking, name), work), response)
    path = f"/renderers/{quote(name, safe='')}/rows/{quote(made.key, safe='')}"
    response.headers["location"] = f"{request.scope.get('root_path', '')}{path}"
    return made


@router.patch("/{name}/rows/{key:path}", operation_id="changeRow", responses=responses(403, 404, 409, 412))
def change(
    name: Name,
    key: Key,
    given: RowIn,
    response: Response,
    asking: Asking,
    database: Database,
    settings: Settings,
    actor: Actor,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> RowOut:
    """Changes the given columns of a row. What changes nothing leaves the generation as it is.

    A row whose key is changed is another row: the one of the old key is deleted.
    """
    expect = expectation(if_match, if_none_match)

    def work(editor: Editor) -> RowOut:
        editor.there(key, expect)
        return _answer(editor, [editor.update(key, given.values)], settings)[0]

    return answered(edit(database, actor, Permit(asking, name), work), response)


@router.delete(
    "/{name}/rows/{key:path}",
    status_code=204,
    response_class=Response,
    operation_id="deleteRow",
    responses=responses(403, 404, 409, 412),
)
def remove(
    name: Name,
    key: Key,
    asking: Asking,
    database: Database,
    actor: Actor,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    """Deletes a row of the table; its history stays."""
    expect = expectation(if_match, if_none_match)

    def work(editor: Editor) -> None:
        editor.there(key, expect)
        editor.delete(key)

    edit(database, actor, Permit(asking, name), work)


@router.post("/{name}/rows:batch", operation_id="batchRows", responses=responses(403, 404, 409, 412))
def batch(
    name: Name, given: OperationsIn, asking: Asking, database: Database, settings: Settings, actor: Actor
) -> RowsOut:
    """Up to 1,000 changes in their order, all or nothing; `errors` of a problem name the operations by `index`."""
    operations = [Operation(each.op, each.key, each.generation, each.values) for each in given.operations]

    def work(editor: Editor) -> list[RowOut | None]:
        made = apply_batch(editor, operations)
        there = iter(_answer(editor, [row for row in made if row is not None], settings))
        return [None if row is None else next(there) for row in made]

    return RowsOut(items=edit(database, actor, Permit(asking, name), work))


def _answer(editor: Editor, found: list[RowMapping], settings: CrudSettings) -> list[RowOut]:
    return with_targets(editor.connection, found, settings)
