"""What a declaration that isn't applied would do to all rows of a renderer."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from anyio import from_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Engine

from rowcast.core.impact import Action, Change
from rowcast.core.row import KEY_MAX, RowKey
from rowcast.core.shapes import RowShape, shape_of
from rowcast.crud.access.callers import Caller
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import BusyError, FieldError, MissingError
from rowcast.crud.fields import MAX_ID, Strict
from rowcast.crud.renderers import revisions, rows
from rowcast.crud.renderers.dry_run import ROWS, DryRun, ask, keys_of, with_dry_run
from rowcast.crud.renderers.impact import see
from rowcast.crud.renderers.impact_report import as_markdown
from rowcast.crud.renderers.preview import check_declaration
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Asked, Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.previews import LONGEST_SPEC
from rowcast.crud.routes.renderers.reads import Name
from rowcast.crud.routes.rows_of_any_table import as_line
from rowcast.crud.sources.database import SourceError
from rowcast.crud.sources.environments import Environments
from rowcast.crud.targets.instances import Instances
from rowcast.renderers.declaration import read_source
from rowcast.renderers.positions import ProblemsError

router = APIRouter(prefix="/renderers", tags=["renderers"])
CLAIMS = 100_000
"""Among how many objects collisions are looked for here, beside everything else that this process does."""


class DeclarationIn(Strict):
    """A declaration: one that need not be applied, or a revision that is stored and need not be any row's."""

    spec: Annotated[str, Field(max_length=LONGEST_SPEC)] | None = None
    revision: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


class ImpactIn(DeclarationIn):
    """What to see of it."""

    sample: Annotated[int, Field(ge=0, le=20)] = Field(default=3, description="examples of each group")
    dry_run: bool = Field(default=False, description="also ask the API server about some rows of each group")


class DryRunIn(DeclarationIn):
    """About which rows to ask."""

    keys: Annotated[list[Annotated[str, Field(max_length=KEY_MAX)]], Field(max_length=ROWS)]


class RefusedManifest(BaseModel):
    """What the API server refuses, in its own words; without a manifest it is all of the row."""

    manifest: str
    message: str


class RefusedRow(RefusedManifest):
    """The same of a row."""

    key: str


class DryRunRow(BaseModel):
    """What it says to a row; `unasked` are manifests whose namespace the row itself is yet to make."""

    key: str
    refused: list[RefusedManifest]
    unasked: list[str]


class DryRunOut(BaseModel):
    """The rows that were asked about, and why others were not."""

    rows: list[DryRunRow]
    unavailable: str | None


class GroupDryRun(BaseModel):
    """How many rows of a group were asked about, and which of them are refused."""

    asked: int
    refused: list[RefusedRow]


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
    dry_run: GroupDryRun | None = Field(description="null where none of its rows was asked about")


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
    dry_run_refused: int = Field(description="rows of all groups")
    dry_run_unavailable: str | None = Field(description="why rows were not asked about, where they were to be")


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
def impact(
    name: Name,
    wanted: ImpactIn,
    asking: Asking,
    database: Database,
    settings: Settings,
    shares: PoolShares,
    instances: Asked,
) -> ImpactOut:
    """What applying a declaration would do to all rows of a renderer, by the shape of the change; changes nothing.

    To those rows, that is, which the caller may view.

    It takes a second for some ten thousand rows, and is refused after as long as an export may take. A declaration that
    captures other columns than were applied is for `rowcast renderer impact`, by who may apply it. With `dry_run`,
    sync-k8s asks the API server about some of the examples, within some twenty seconds.
    """
    shares.exports.take()
    end = time.monotonic() + settings.stream_seconds

    def in_time(done: int, total: int) -> None:
        if time.monotonic() > end:
            raise BusyError(f"{done} of {total} rows were seen in time; rowcast renderer impact sees all")

    try:
        with reading(database) as connection:
            spec, stored = _declaration(connection, name, wanted)
            seen = see(
                connection,
                spec,
                wanted.sample,
                in_time,
                may_read_source=False,
                claims=CLAIMS,
                stored=stored,
                reach=asking.seen(name),
            )
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
    content = seen.as_json()
    dry_run = None
    if wanted.dry_run:
        dry_run = _asked(instances, database, asking, name, (spec, seen.shape), keys_of(content["groups"]))
    content = with_dry_run(content, dry_run)
    return ImpactOut(seen=ImpactSeen.model_validate(content), problems=[], markdown="\n".join(as_markdown(content)))


@router.post("/{name:renderer}:dry-run", operation_id="dryRunRows", responses=responses(404))
def dry_run(name: Name, wanted: DryRunIn, asking: Asking, database: Database, instances: Asked) -> DryRunOut:
    """What the API server says to some rows by a declaration, which must capture what was applied; writes nothing.

    sync-k8s asks it with the very apply that it would make, as itself: admission, immutable fields, quotas. Within some
    twenty seconds.
    """
    try:
        with reading(database) as connection:
            spec, stored = _declaration(connection, name, wanted)
            shape = stored or check_declaration(connection, spec)[1]
    except ProblemsError as error:
        raise FieldError("spec", "invalid", str(error.problems[0])) from error
    found = _asked(instances, database, asking, name, (spec, shape), wanted.keys)
    answered = [
        DryRunRow(
            key=key,
            refused=[RefusedManifest(manifest=each.manifest, message=each.message) for each in refused],
            unasked=list(found.unasked[key]),
        )
        for key, refused in found.refused.items()
    ]
    return DryRunOut(rows=answered, unavailable=found.unavailable)


def _declaration(connection: Connection, name: str, wanted: DeclarationIn) -> tuple[str, RowShape | None]:
    """Its text, and the shape that a stored one has. Raises MissingError, FieldError and ProblemsError."""
    if (wanted.spec is None) == (wanted.revision is None):
        raise FieldError("spec", "conflict", "give either spec or revision")
    if revisions.get(connection, name) is None:
        raise MissingError(f"there is no renderer {name}")
    if wanted.revision is not None:
        found = revisions.revision(connection, name, wanted.revision)
        if found is None:
            raise MissingError(f"there is no revision {wanted.revision} of a renderer {name}")
        return found["text"], shape_of(found["shape"])
    spec = wanted.spec or ""
    if read_source(spec).renderer != name:
        raise FieldError("spec", "conflict", f"is not of the renderer {name}")
    return spec, None


def _asked(
    instances: Instances,
    database: Engine,
    asking: Caller,
    name: str,
    declaration: tuple[str, RowShape],
    keys: Sequence[str],
) -> DryRun:
    with reading(database) as connection:
        found = [row for key in keys if (row := rows.get(connection, RowKey(name, key))) is not None]
        where = Environments(connection).of(found)
        there = (row for row, each in zip(found, where, strict=True) if not row["deleted"] and asking.sees(each, name))
        lines = {row["key"]: orjson.loads(as_line(row)) for row in there}
    # Connections to the sidecar belong to the loop.
    return from_thread.run(ask, instances, *declaration, lines)
