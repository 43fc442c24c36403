"""What a declaration that isn't applied would do to all rows of a renderer."""

import time
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from rowcast.core.impact import Action, Change
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import BusyError, FieldError, MissingError
from rowcast.crud.fields import MAX_ID, Strict
from rowcast.crud.renderers import revisions
from rowcast.crud.renderers.impact import see
from rowcast.crud.renderers.impact_report import as_markdown
from rowcast.crud.routes.dependencies import Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.previews import LONGEST_SPEC
from rowcast.crud.routes.renderers.reads import Name
from rowcast.crud.sources.database import SourceError
from rowcast.renderers.declaration import read_source
from rowcast.renderers.positions import ProblemsError

router = APIRouter(prefix="/renderers", tags=["renderers"])
CLAIMS = 100_000
"""Among how many objects collisions are looked for here, beside everything else that this process does."""


class ImpactIn(Strict):
    """A declaration, or a `revision` that is kept."""

    spec: Annotated[str, Field(max_length=LONGEST_SPEC)] | None = None
    revision: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    sample: Annotated[int, Field(ge=0, le=20)] = Field(default=3, description="examples of each group")


class ImpactGroup(BaseModel):
    """Changes of one shape; `before` and `after` have the `value` that all have, or say that it `varies`."""

    action: Action
    kind: str
    manifest: str
    path: str
    change: Change
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    rows: int
    objects: int
    examples: list[dict[str, Any]]


class ImpactErrors(BaseModel):
    """Rows that can't be rendered, for one reason; `before` of them can't be by their own revision, either."""

    path: str
    expression: str
    message: str
    rows: int
    before: int
    examples: list[str] = Field(description="keys")


class ImpactCollision(BaseModel):
    """Two rows that want one object."""

    object: str
    environment: str | None
    keys: list[str]


class ImpactSeen(BaseModel):
    """What was seen in one snapshot; the `token` names it. Lists have a bound, and what is beyond is counted."""

    renderer: str
    revision: int | None
    captured_anew: bool
    token: str
    rows: int
    changed_rows: int
    failed_rows: int
    recovered_rows: int
    objects: dict[str, int] = Field(description="by what becomes of them")
    settings: list[dict[str, Any]] = Field(description="how manifests are treated, where that differs")
    groups: list[ImpactGroup]
    more_changes: int
    errors: list[ImpactErrors]
    more_errors: int
    collisions: list[ImpactCollision]
    more_collisions: int
    collisions_looked_for_among: int


class ImpactProblem(BaseModel):
    """What is wrong with the declaration; line and column are from 1."""

    path: str
    message: str
    line: int
    column: int


class ImpactOut(BaseModel):
    """What the declaration does; null where it has problems."""

    seen: ImpactSeen | None
    problems: list[ImpactProblem]
    markdown: str | None = Field(default=None, description="what was seen, for a pull request's comment")


@router.post("/{name:renderer}:impact", operation_id="seeImpact", responses=responses(404))
def impact(name: Name, wanted: ImpactIn, database: Database, settings: Settings, shares: PoolShares) -> ImpactOut:
    """What applying a declaration would do to all rows of a renderer, by the shape of the change; changes nothing.

    It takes a second for some thousand rows, and is refused after as long as an export may take. A declaration that
    captures other columns than were applied is for `rowcast renderer impact`, by who may apply it.
    """
    shares.exports.take()
    end = time.monotonic() + settings.stream_seconds

    def in_time(done: int, total: int) -> None:
        if time.monotonic() > end:
            raise BusyError(f"{done} of {total} rows were seen in time; rowcast renderer impact sees all")

    try:
        with reading(database) as connection:
            if revisions.get(connection, name) is None:
                raise MissingError(f"there is no renderer {name}")
            spec = _spec(connection, name, wanted)
            if read_source(spec).renderer != name:
                raise FieldError("spec", "conflict", f"is not of the renderer {name}")
            seen = see(connection, spec, wanted.sample, in_time, may_read_source=False, claims=CLAIMS)
    except ProblemsError as error:
        problems = (
            ImpactProblem(path=each.path, message=each.message, line=each.place.line, column=each.place.column)
            for each in error.problems
        )
        return ImpactOut(seen=None, problems=list(problems))
    except SourceError as error:
        raise FieldError("spec", "conflict", str(error)) from error
    finally:
        shares.exports.give_back()
    markdown = "\n".join(as_markdown(seen))
    return ImpactOut(seen=ImpactSeen.model_validate(seen.as_json()), problems=[], markdown=markdown)


def _spec(connection: Connection, name: str, wanted: ImpactIn) -> str:
    """The declaration that is asked about. Raises FieldError."""
    if (wanted.spec is None) == (wanted.revision is None):
        raise FieldError("spec", "required", "must be there, or else a revision")
    if wanted.revision is None:
        return str(wanted.spec)
    found = revisions.revision(connection, name, wanted.revision)
    if found is None:
        raise FieldError("revision", "missing", f"there is no revision {wanted.revision} of {name}")
    return str(found["text"])
