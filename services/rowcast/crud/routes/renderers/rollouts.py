"""Roll-outs of a renderer's revisions: started, seen, and told what becomes of them."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection, RowMapping

from rowcast.core.rollout import Step
from rowcast.crud import paging
from rowcast.crud.access.callers import Access, Caller
from rowcast.crud.database.connections import changing, reading
from rowcast.crud.errors import DeniedError, ForbiddenError
from rowcast.crud.fields import MAX_ID, Decimal
from rowcast.crud.paging import Cursor
from rowcast.crud.proposals.deciding import why_the_same
from rowcast.crud.renderers import rollouts
from rowcast.crud.renderers.rollout_progress import RowState, listed
from rowcast.crud.renderers.rollout_schemas import (
    ResumeIn,
    RolloutIn,
    RolloutOut,
    RolloutRow,
    RolloutRows,
    Rollouts,
    rollout_out,
)
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.reads import Name
from rowcast.crud.routes.rows.lists import CursorText, Limit
from rowcast.crud.sources.apply import one_at_a_time

router = APIRouter(prefix="/renderers", tags=["renderers"])
RolloutId = Annotated[int, Decimal, Path(ge=1, le=MAX_ID, description="The roll-out's number, never reused.")]
_LIST, _ROWS = "rollouts", "rollout-rows"


@router.get("/{name}/rollouts", operation_id="listRollouts", responses=responses(404))
def list_rollouts(
    name: Name, asking: Asking, database: Database, limit: Limit = 50, cursor: CursorText = None
) -> Rollouts:
    """A renderer's roll-outs, newest first."""
    after = paging.decode_of(cursor, _LIST)
    with reading(database) as connection:
        found = rollouts.page(connection, name, after.row_id if after else None, limit + 1)
    following = paging.encode(Cursor(_LIST, "", found[limit - 1]["id"])) if len(found) > limit else None
    return Rollouts(items=[_shown(asking, each) for each in found[:limit]], next_cursor=following)


@router.get("/{name}/rollouts/{id:segment}", operation_id="getRollout", responses=responses(404))
def get_rollout(name: Name, id: RolloutId, asking: Asking, database: Database) -> RolloutOut:  # noqa: A002
    """One of them, as it was seen last: while it is under way that is a second ago."""
    with reading(database) as connection:
        return _shown(asking, rollouts.get(connection, name, id))


@router.get("/{name}/rollouts/{id}/rows", operation_id="listRolloutRows", responses=responses(404))
def list_rows(
    name: Name,
    id: RolloutId,  # noqa: A002
    asking: Asking,
    database: Database,
    settings: Settings,
    state: Annotated[RowState | None, Query(description="What became of them; all, if left out.")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> RolloutRows:
    """Rows that were given the revision, by their keys, each with its worst target's own words.

    Those of a renderer's newest roll-out are known.
    """
    after = paging.decode_of(cursor, _ROWS)
    with reading(database) as connection:
        kept = rollouts.get(connection, name, id)
        start = after.key if after else ""
        found = listed(connection, kept, settings.targets, state, start, limit + 1, asking.seen(name))
        names = rollouts.names(connection, kept)
    items = [
        RolloutRow.model_validate({**row, **dict(zip(("name", "environment"), names(row["row"]), strict=True))})
        for row in found[:limit]
    ]
    following = paging.encode(Cursor(_ROWS, items[-1].key, 0)) if len(found) > limit else None
    return RolloutRows(items=items, next_cursor=following)


@router.post("/{name}/rollouts", status_code=201, operation_id="startRollout", responses=responses(404, 409))
def start(
    name: Name, wanted: RolloutIn, asking: Asking, request: Request, database: Database, actor: Actor
) -> RolloutOut:
    """Rows go on by a revision that is kept and captures what rows are captured by now, step by step.

    Without steps there is one, of all rows; the last one is always of all. Where the policy wants an approval of any of
    the renderer's rows it begins paused, and another person, who may approve changes of its rows, resumes it.
    """
    steps = [Step(each.rows, each.share, each.filter) for each in wanted.steps]
    asked = rollouts.Wanted(
        wanted.revision,
        steps,
        wanted.hold_seconds,
        wanted.failure_limit,
        wanted.ready_seconds,
        wanted.token,
        wanted.changed_limit,
    )
    access: Access = request.app.state.access
    line = access.approvals.wanted(name)
    if line is not None and (why := access.why_not_propose(asking)) is not None:
        raise DeniedError(f"line {line.line} of the policy ({line}) wants an approval, and {why}")
    with changing(database, actor) as connection:
        number = rollouts.start(connection, name, asked, actor, asking.person_names)
        if line is not None:
            rollouts.await_approval(connection, name, number)
        return _shown(asking, rollouts.get(connection, name, number))


@router.post("/{name}/rollouts/{id:segment}:pause", operation_id="pauseRollout", responses=responses(404, 409))
def pause(name: Name, id: RolloutId, asking: Asking, database: Database, actor: Actor) -> RolloutOut:  # noqa: A002
    """No more rows until it is resumed; those that have the revision keep it."""
    return _told(asking, database, actor, lambda connection: rollouts.pause(connection, name, id))


@router.post("/{name}/rollouts/{id:segment}:resume", operation_id="resumeRollout", responses=responses(404, 409))
def resume(
    name: Name,
    id: RolloutId,  # noqa: A002
    asking: Asking,
    request: Request,
    database: Database,
    actor: Actor,
    wanted: ResumeIn | None = None,
) -> RolloutOut:
    """It goes on, also after it has stopped by itself; a `failure_limit` takes the place of the one that it has.

    One that waits for an approval has it so: of another person than who has started it, who may approve changes of the
    renderer's rows in every environment, and whom the commits name. Rows go on in the name of who has started it.
    """
    limit = wanted.failure_limit if wanted else None
    access: Access = request.app.state.access

    def resumed(connection: Connection) -> RowMapping:
        kept = rollouts.get(connection, name, id, locked=True)
        if access.approvals.wanted(name) and kept["approved_by"] is None:
            _must_approve(access, asking, kept)
            rollouts.approve(connection, id, actor)
        return rollouts.resume(connection, name, id, limit)

    return _told(asking, database, actor, resumed)


def _must_approve(access: Access, asking: Caller, kept: RowMapping) -> None:
    """Raises ForbiddenError and DeniedError, as for a proposal. It is of all rows, also of those that come while it is
    under way: so the right is asked for all environments that there may be.
    """
    started = (kept["started_by"], kept["actor_verified"], kept["authors"])
    why = access.why_no_person(asking) or why_the_same(asking, *started, "started")
    if why is not None:
        raise ForbiddenError("approval", why)
    asking.require("rows", "approve", kept["renderer"])


@router.post("/{name}/rollouts/{id:segment}:abort", operation_id="abortRollout", responses=responses(404, 409))
def abort(name: Name, id: RolloutId, asking: Asking, database: Database, actor: Actor) -> RolloutOut:  # noqa: A002
    """It ends; rows stay as they are."""
    return _told(asking, database, actor, lambda connection: rollouts.abort(connection, name, id))


@router.post(
    "/{name}/rollouts/{id:segment}:rollback", operation_id="rollBackRollout", responses=responses(403, 404, 409)
)
def roll_back(
    name: Name,
    id: RolloutId,  # noqa: A002
    asking: Asking,
    request: Request,
    database: Database,
    actor: Actor,
) -> RolloutOut:
    """Its rows get the revision back that they had, and those that were made meanwhile the one of before.

    Where the policy wants an approval of any of the renderer's rows, one that has ended is not rolled back so.
    """
    access: Access = request.app.state.access

    def rolled_back(connection: Connection) -> RowMapping:
        one_at_a_time(connection)
        kept = rollouts.get(connection, name, id, locked=True)
        line = access.approvals.wanted(name)
        if line is not None and kept["state"] in ("done", "aborted"):
            # Rows have changed and were made since: nobody has seen what the revision of before makes of them.
            why = f"it has ended, and line {line.line} of the policy ({line}) wants another person's approval"
            instead = f"start a roll-out of revision {kept['former']}, which another person resumes"
            raise ForbiddenError("approval", f"{why}: {instead}")
        return rollouts.roll_back(connection, name, id, actor)

    return _told(asking, database, actor, rolled_back)


def _shown(asking: Caller, kept: RowMapping) -> RolloutOut:
    """Why one has stopped is told in the words of a row, and these to who sees all rows."""
    shown = rollout_out(kept)
    if shown.why is not None and not asking.sees(None, kept["renderer"]):
        shown.why = "is told to who may view all rows of the renderer"
    return shown


def _told(asking: Caller, database: Database, actor: str, what: Callable[[Connection], RowMapping]) -> RolloutOut:
    with changing(database, actor) as connection:
        return _shown(asking, what(connection))
