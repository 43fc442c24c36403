"""Renderers, their revisions, and the rows of their tables."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection, RowMapping

from rowcast.core.row import KEY_MAX, RowKey
from rowcast.crud import paging
from rowcast.crud.database.connections import reading
from rowcast.crud.deliveries import of_rows
from rowcast.crud.errors import FieldError, MissingError
from rowcast.crud.fields import MAX_ID, Decimal
from rowcast.crud.renderers import revisions, rows
from rowcast.crud.renderers.schemas import (
    RendererListed,
    RendererOut,
    RendererRevisions,
    Renderers,
    RevisionListed,
    RevisionOut,
    RowOut,
    RowPage,
)
from rowcast.crud.routes.dependencies import Database, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.lists import CursorText, Limit
from rowcast.crud.routes.rows.sync_states import Judge
from rowcast.crud.rows.schemas import SyncTimes, TargetStatus

router = APIRouter(prefix="/renderers", tags=["renderers"])
T = TypeVar("T")
Name = Annotated[str, Path(max_length=63, description="The renderer's name.")]


@router.get("", operation_id="listRenderers", responses=responses())
def list_renderers(database: Database) -> Renderers:
    """Every renderer that was applied, at its newest revision; the built-in one, `appconfigs`, is not among them."""
    with reading(database) as connection:
        found = revisions.current(connection)
    return Renderers(items=[RendererListed.model_validate(dict(one)) for one in found])


@router.get("/{name}", operation_id="getRenderer", responses=responses(404))
def get_renderer(name: Name, database: Database) -> RendererOut:
    """One renderer, with its newest declaration."""
    with reading(database) as connection:
        return RendererOut.model_validate(dict(_there(revisions.get(connection, name), name)))


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


@router.get("/{name}/rows", operation_id="listRows", responses=responses(404))
def list_rows(
    name: Name,
    database: Database,
    settings: Settings,
    limit: Limit = 50,
    cursor: CursorText = None,
    search: Annotated[str | None, Query(max_length=2048, description="A part of the key or of a value.")] = None,
    state: Annotated[
        rows.State | None,
        Query(
            description="Over all targets: one that `failed` counts first, then one that is `pending`; or `deleted`."
        ),
    ] = None,
) -> RowPage:
    """A page of a renderer's rows in the order of their keys, each with what became of it at each target."""
    after = paging.decode(cursor) if cursor is not None else None
    if after is not None and after.sort != rows.CURSOR:
        raise FieldError("cursor", "cursor", "is not a cursor of this list")
    if search is not None and "\x00" in search:
        raise FieldError("search", "printable", "must not have NUL characters")
    with reading(database) as connection:
        _there(revisions.get(connection, name), name)
        page = rows.page(connection, rows.RowFilter(name, search, state, settings.targets), after, limit)
        items = _with_targets(connection, page.rows, Judge(settings), settings.targets)
    following = page.next_cursor
    return RowPage(items=items, next_cursor=paging.encode(following) if following else None, total=page.total)


@router.get("/{name}/rows/{key:path}", operation_id="getRow", responses=responses(404))
def get_row(
    name: Name,
    key: Annotated[str, Path(max_length=KEY_MAX, description="The row's key, as lists have it.")],
    database: Database,
    settings: Settings,
) -> RowOut:
    """One row and what became of it; a deleted one is there as it was last."""
    with reading(database) as connection:
        row = None if "\x00" in key else rows.get(connection, RowKey(name, key))
        if row is None:
            raise MissingError(f"renderer {name} has no row {key}")
        return _with_targets(connection, [row], Judge(settings), settings.targets)[0]


def _there(found: T | None, name: str) -> T:
    if found is None:
        raise MissingError(f"there is no renderer {name}")
    return found


def _with_targets(
    connection: Connection, found: Sequence[RowMapping], judge: Judge, targets: Sequence[str]
) -> list[RowOut]:
    keys = [RowKey(row["renderer"], row["key"]) for row in found]
    told: dict[RowKey, dict[str, TargetStatus]] = {key: {} for key in keys}
    for status in of_rows.statuses(connection, keys):
        told[RowKey(status["renderer"], status["key"])][status["target"]] = _target(status, judge)
    made = []
    for row, key in zip(found, keys, strict=True):
        nothing = {
            target: TargetStatus.model_validate({**judge.unreported(row["changed_at"]), "times": SyncTimes()})
            for target in targets
        }
        made.append(RowOut.model_validate({**row, "targets": nothing | told[key]}))
    return made


def _target(row: RowMapping, judge: Judge) -> TargetStatus:
    times = SyncTimes(
        saved=row["saved_at"], captured=row["captured_at"], delivered=row["delivered_at"], recorded=row["recorded_at"]
    )
    return TargetStatus.model_validate({**judge.reported(row), "times": times})
