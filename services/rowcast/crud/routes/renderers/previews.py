"""What a row of a renderer would become, by a declaration that was applied or by one that wasn't."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from rowcast.core.row import KEY_MAX, RowKey
from rowcast.crud.database.connections import reading
from rowcast.crud.fields import MAX_ID, Decimal, Strict
from rowcast.crud.renderers.preview import Preview, Question, preview
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.reads import Name, seen_row

router = APIRouter(prefix="/renderers", tags=["renderers"])
LONGEST_SPEC = 262_144
"""Characters of a declaration."""


class RowPreviewIn(Strict):
    """A row by its key, `row` with what it has otherwise; or `row` alone, whole."""

    key: Annotated[str, Field(max_length=KEY_MAX)] | None = None
    row: dict[str, Any] | None = Field(default=None, description="columns and values as a captured row has them")
    spec: Annotated[str, Field(max_length=LONGEST_SPEC)] | None = Field(
        default=None, description="a declaration's text, which need not be applied"
    )
    revision: Annotated[int, Field(ge=1, le=MAX_ID)] | None = Field(
        default=None, description="one that was applied; the row's own, or else the newest, if neither is given"
    )


class PreviewedManifest(BaseModel):
    """A resource, and the id of the manifest that it comes from."""

    id: str
    manifest: dict[str, Any]


class PreviewError(BaseModel):
    """What is wrong at a path of the declaration or of the row; line and column are in the declaration, from 1."""

    path: str
    expression: str
    message: str
    line: int | None
    column: int | None


class RowPreview(BaseModel):
    """What the row becomes, in the order in which it is applied; nothing where there are errors."""

    name: str | None
    environment: str | None
    manifests: list[PreviewedManifest]
    errors: list[PreviewError]


@router.get("/{name}/preview", operation_id="previewRow", responses=responses(404))
def of_a_row(
    name: Name,
    asking: Asking,
    database: Database,
    key: Annotated[str, Query(max_length=KEY_MAX, description="The row's key, as lists have it.")],
    revision: Annotated[int | None, Decimal, Query(ge=1, le=MAX_ID, description="The row's own, if left out.")] = None,
) -> RowPreview:
    """What a row becomes by the revision that it is of, or by another one. Rendered by crud; no target is asked."""
    with reading(database) as connection:
        seen_row(connection, asking, RowKey(name, key))
        return answer(preview(connection, name, Question(key=key, revision=revision)))


@router.post("/{name}/preview", operation_id="previewChangedRow", responses=responses(404))
def of_a_change(name: Name, wanted: RowPreviewIn, asking: Asking, database: Database) -> RowPreview:
    """What a changed or a new row becomes, by any declaration: one that isn't applied is checked as `check` does."""
    with reading(database) as connection:
        if wanted.key is not None:
            seen_row(connection, asking, RowKey(name, wanted.key))
        return answer(preview(connection, name, Question(wanted.key, wanted.row, wanted.spec, wanted.revision)))


def answer(made: Preview) -> RowPreview:
    """As JSON."""
    return RowPreview(
        name=made.name,
        environment=made.environment,
        manifests=[PreviewedManifest(id=each.id, manifest=dict(each.content)) for each in made.manifests],
        errors=[PreviewError.model_validate(each, from_attributes=True) for each in made.errors],
    )
