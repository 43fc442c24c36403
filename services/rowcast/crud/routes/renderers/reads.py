"""Renderers, their revisions, and the rows of their tables."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Connection, RowMapping
from starlette.convertors import StringConvertor, register_url_convertor

from rowcast.core.row import KEY_MAX, RowKey
from rowcast.crud import paging
from rowcast.crud.access.callers import Caller
from rowcast.crud.database.connections import reading
from rowcast.crud.deliveries import of_rows
from rowcast.crud.errors import FieldError, MissingError
from rowcast.crud.fields import MAX_ID, Decimal
from rowcast.crud.pipeline.rows import Counted
from rowcast.crud.proposals.records import made_by
from rowcast.crud.renderers import choices, promotions, revisions, rollouts, rows
from rowcast.crud.renderers.schemas import (
    ChoicesOut,
    ColumnOut,
    ColumnReference,
    Columns,
    RendererListed,
    RendererOut,
    RendererRevisions,
    Renderers,
    RevisionListed,
    RevisionOut,
    RowGeneration,
    RowHistory,
    RowOut,
    RowPage,
)
from rowcast.crud.renderers.tables import SourceTable, source_table
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database, Pipeline, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.lists import CursorText, Limit
from rowcast.crud.routes.rows.sync_states import Judge
from rowcast.crud.rows.preconditions import etag
from rowcast.crud.rows.schemas import TargetStatus
from rowcast.crud.settings import CrudSettings
from rowcast.crud.sources.environments import LONGEST, Environments, environment_of

router = APIRouter(prefix="/renderers", tags=["renderers"])
T = TypeVar("T")


class _NameInPath(StringConvertor):
    """A name before a `:verb`, or alone: none has a colon, so that `/{name}` is not also the path of a verb."""

    regex = "[^/:]+"


register_url_convertor("renderer", _NameInPath())
Name = Annotated[str, Path(max_length=63, description="The renderer's name.")]
Key = Annotated[str, Path(max_length=KEY_MAX, description="The row's key, as lists have it.")]
Search = Annotated[str | None, Query(max_length=2048, description="A part of the key or of a value.")]
State = Annotated[
    rows.State | None,
    Query(description="Over all targets: one that `failed` counts first, then one that is `pending`; or `deleted`."),
]
Sort = Annotated[
    str | None,
    Query(
        max_length=63,
        description="`key` (the default), `changed_at`, `generation`, or a column. A cursor keeps its own.",
    ),
]
Direction = Annotated[Literal["asc", "desc"] | None, Query(description="`asc` if left out; NULL is the greatest.")]
Values = Annotated[
    list[Annotated[str, Query(max_length=256)]] | None,
    Query(max_length=8, description="`column=value`, as the row has it as text; all of them must fit."),
]
Environment = Annotated[str | None, Query(max_length=LONGEST, description="Only rows that are in this one.")]
Counts = Annotated[
    bool,
    Query(
        description="Whether rows are counted: if not, their numbers are null, and `fault` is what triggers have noted,"
        " without a look at the tables."
    ),
]
_NUMBERS = frozenset({"int2", "int4", "int8", "oid", "numeric", "float4", "float8"})


@router.get("", operation_id="listRenderers", responses=responses())
async def list_renderers(asking: Asking, database: Database, pipeline: Pipeline, counts: Counts = True) -> Renderers:
    """Every renderer that was applied, at the revision that new rows are of; not the built-in one, `appconfigs`."""

    def read() -> list[dict[str, Any]]:
        with reading(database) as connection:
            there = revisions.current(connection)
            seen = [one for one in there if asking.decide("renderers", "view", one["name"]).allowed]
            # Who asks for no counts asks often: what the triggers have noted is enough then.
            if not counts:
                return rollouts.with_under_way(connection, seen)
            found = rollouts.with_under_way(connection, revisions.with_faults(connection, seen))
            return [one | _seen_rows(connection, asking, one["name"]) for one in found]

    found = await to_thread.run_sync(read)
    counted = (await pipeline.counted()).value if counts else None
    return Renderers(
        items=[RendererListed.model_validate(_counts(asking, one["name"], counted) | one) for one in found]
    )


@router.get("/{name:renderer}", operation_id="getRenderer", responses=responses(404))
async def get_renderer(name: Name, asking: Asking, database: Database, pipeline: Pipeline) -> RendererOut:
    """One renderer, with the declaration that new rows are of."""

    def read() -> dict[str, Any]:
        with reading(database) as connection:
            found = revisions.with_faults(connection, [_there(revisions.get(connection, name), name)])
            return rollouts.with_under_way(connection, found)[0] | _seen_rows(connection, asking, name)

    found = await to_thread.run_sync(read)
    return RendererOut.model_validate(_counts(asking, name, (await pipeline.counted()).value) | found)


@router.get("/{name}/revisions", operation_id="listRendererRevisions", responses=responses(404))
def list_revisions(name: Name, database: Database) -> RendererRevisions:
    """Its revisions, newest first."""
    with reading(database) as connection:
        found = revisions.history(connection, name)
        _there(found or None, name)
    return RendererRevisions(items=[RevisionListed.model_validate(dict(one)) for one in found])


@router.get("/{name}/revisions/{revision}", operation_id="getRendererRevision", responses=responses(404))
def get_revision(
    name: Name, revision: Annotated[int, Decimal, Path(ge=1, le=MAX_ID)], database: Database
) -> RevisionOut:
    """One revision, whole; it never changes."""
    with reading(database) as connection:
        found = revisions.revision(connection, name, revision)
    if found is None:
        raise MissingError(f"there is no revision {revision} of a renderer {name}")
    return RevisionOut.model_validate(dict(found))


@router.get("/{name}/columns", operation_id="listColumns", responses=responses(404))
def list_columns(name: Name, database: Database) -> Columns:
    """The columns of a renderer's table, and whether its rows can be edited."""
    with reading(database) as connection:
        found = source_table(connection, name)
    return Columns(editable=found.why is None, why=found.why, columns=list(_columns(found)))


@router.get("/{name}/rows:choices", operation_id="listChoices", responses=responses(404))
def list_choices(
    name: Name,
    database: Database,
    column: Annotated[str, Query(max_length=63, description="A foreign key of one column.")],
    search: Annotated[str | None, Query(max_length=2048, description="A part of the value or its label.")] = None,
    after: Annotated[str | None, Query(max_length=KEY_MAX, description="Only values after this one.")] = None,
    limit: Limit = 50,
) -> ChoicesOut:
    """What a foreign key may be: values of the table that it refers to, if crud may read that."""
    for field, text in (("search", search), ("after", after)):
        if text is not None and "\x00" in text:
            raise FieldError(field, "text", "must not have NUL characters")
    with reading(database) as connection:
        found = choices.choices(connection, source_table(connection, name), column, search, after, limit)
    return ChoicesOut.model_validate(vars(found))


@router.get("/{name}/rows", operation_id="listRows", responses=responses(404))
def list_rows(
    name: Name,
    asking: Asking,
    database: Database,
    settings: Settings,
    limit: Limit = 50,
    cursor: CursorText = None,
    search: Search = None,
    state: State = None,
    sort: Sort = None,
    order: Direction = None,
    filter: Values = None,  # noqa: A002 - the parameter's name in the API
    environment: Environment = None,
) -> RowPage:
    """A page of a renderer's rows, each with what became of it at each target."""
    after = paging.decode(cursor) if cursor is not None else None
    with reading(database) as connection:
        table = source_table(connection, name)
        values = values_wanted(filter, table)
        wanted = rows.RowFilter(name, search, state, settings.targets, values, environment, asking.seen(name))
        page = rows.page(connection, wanted, order_wanted(sort, order, after, table), after, limit)
        items = with_targets(connection, page.rows, settings)
    following = page.next_cursor
    return RowPage(
        items=items,
        next_cursor=paging.encode(following) if following else None,
        total=page.total,
        total_capped=page.total_capped,
    )


@router.get("/{name}/rows/{key:path}", operation_id="getRow", responses=responses(404))
def get_row(name: Name, key: Key, response: Response, asking: Asking, database: Database, settings: Settings) -> RowOut:
    """One row and what became of it; a deleted one is there as it was last. Its `ETag` is its generation."""
    with reading(database) as connection:
        row = seen_row(connection, asking, RowKey(name, key))
        return answered(with_targets(connection, [row], settings)[0], response)


@router.get("/{name}/history", operation_id="getRowHistory", responses=responses(404))
def get_history(
    name: Name,
    key: Annotated[str, Query(max_length=KEY_MAX, description="The row's key, as lists have it.")],
    asking: Asking,
    database: Database,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> RowHistory:
    """What a row was, newest first, also of a deleted one; direct SQL edits are among it."""
    before = paging.decode(cursor) if cursor is not None else None
    if before is not None and before.sort != rows.HISTORY:
        raise FieldError("cursor", "cursor", "is not a cursor of a row's history")
    with reading(database) as connection:
        seen_row(connection, asking, RowKey(name, key))
        seen = asking.seen(name)
        page = rows.history(connection, RowKey(name, key), before, limit, seen)
        generations = [row["generation"] for row in page.rows]
        promoted = promotions.made(connection, RowKey(name, key), generations, seen)
        proposed = made_by(connection, RowKey(name, key), generations)
    following = page.next_cursor
    return RowHistory(
        items=[
            RowGeneration.model_validate(
                {
                    **row,
                    "promotion": as_dict(promoted.get(row["generation"])),
                    "proposal": as_dict(proposed.get(row["generation"])),
                }
            )
            for row in page.rows
        ],
        next_cursor=paging.encode(following) if following else None,
    )


def _seen_rows(connection: Connection, asking: Caller, renderer: str) -> dict[str, int]:
    """How many rows there are for somebody who doesn't see all: what became of all of them tells of the others."""
    seen = asking.seen(renderer)
    if seen.everything or seen.nothing:
        return {}
    return {"rows": rows.count(connection, rows.RowFilter(renderer, seen=seen))}


def _counts(asking: Caller, renderer: str, counted: Counted | None) -> dict[str, Any]:
    if counted is None or not asking.decide("rows", "view", renderer).allowed:
        return dict.fromkeys(("rows", "pending", "failed", "counted_at"))
    its = counted.by_renderer.get(renderer)
    figures = (its.total, its.total - its.synced - its.failed, its.failed) if its else (0, 0, 0)
    return dict(zip(("rows", "pending", "failed"), figures, strict=True)) | {"counted_at": counted.at}


def seen_row(connection: Connection, asking: Caller, key: RowKey) -> RowMapping:
    """A captured row. Raises MissingError for one that is not there for who asks."""
    row = rows.get(connection, key)
    if row is None or not asking.sees(environment_of(connection, row), key.renderer):
        raise MissingError(f"renderer {key.renderer} has no row {key.key}")
    return row


def as_dict(found: RowMapping | None) -> dict[str, Any] | None:
    """What Pydantic takes for an object."""
    return None if found is None else dict(found)


def answered(row: RowOut, response: Response) -> RowOut:
    """The row, and its `ETag` in the answer."""
    response.headers["etag"] = etag(row.generation)
    return row


def _columns(found: SourceTable) -> Iterator[ColumnOut]:
    if found.source is None or found.table is None:
        return
    references = {
        key.columns[0]: ColumnReference(table=str(key.table), column=key.referenced[0])
        for key in found.table.foreign_keys
        if len(key.columns) == 1
    }
    for name, column in found.columns.items():
        yield ColumnOut(
            name=name,
            type=column.base,
            nullable=not column.required,
            has_default=column.defaulted,
            generated=column.generated,
            key=name in found.source.key,
            values=list(column.labels) or None,
            references=references.get(name),
        )


def values_wanted(filters: Sequence[str] | None, table: SourceTable) -> list[tuple[str, str]]:
    """What a list is filtered by. Raises FieldError."""
    pairs = []
    for each in filters or ():
        # A column's name may have the sign in it.
        ends = (place for place, character in enumerate(each) if character == "=")
        place = next((place for place in ends if each[:place] in table.shape.columns), None)
        if place is None:
            raise FieldError("filter", "column", f"{each!r} is not column=value, of a column that rows have")
        pairs.append((each[:place], each[place + 1 :]))
    return pairs


def order_wanted(
    sort: str | None, direction: str | None, after: paging.Cursor | None, table: SourceTable
) -> rows.Order:
    """What a list is sorted by, or goes on with. Raises FieldError."""
    order = rows.Order(sort or rows.KEY, direction == "desc") if after is None else rows.order_of(after)
    if after is not None and (sort not in (None, order.by) or direction not in (None, _direction(order))):
        raise FieldError("cursor", "cursor", f"continues a list sorted by {order.by}, {_direction(order)}")
    if order.by in rows.OWN:
        return order
    if order.by not in table.shape.columns:
        raise FieldError("sort", "column", f"{order.by!r} is no column that rows have")
    column = table.columns.get(order.by)
    numeric = column is not None and column.type in _NUMBERS
    return replace(order, numeric=numeric)


def _direction(order: rows.Order) -> str:
    return "desc" if order.descending else "asc"


def _there(found: T | None, name: str) -> T:
    if found is None:
        raise MissingError(f"there is no renderer {name}")
    return found


def with_targets(connection: Connection, found: Sequence[RowMapping], settings: CrudSettings) -> list[RowOut]:
    """Captured rows, each with what became of it at each target."""
    judge = Judge(settings)
    keys = [RowKey(row["renderer"], row["key"]) for row in found]
    told: dict[RowKey, dict[str, TargetStatus]] = {key: {} for key in keys}
    for status in of_rows.statuses(connection, keys):
        told[RowKey(status["renderer"], status["key"])][status["target"]] = judge.status(status)
    where = Environments(connection).of(found)
    made = []
    for row, key, environment in zip(found, keys, where, strict=True):
        nothing = {target: judge.no_status(target, row["changed_at"]) for target in settings.targets}
        made.append(RowOut.model_validate({**row, "environment": environment, "targets": nothing | told[key]}))
    return made
