"""What a GitOps engine made of the commits: kept by target, and told of each row as its stage.

Nothing is kept of single rows: the last message says which rows are behind, and all others are not.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, delete, func, null, or_
from sqlalchemy.dialects.postgresql import insert

from rowcast.crud.database.tables import gitops_progress, sync_statuses
from rowcast.crud.subscriptions.bounds import MOST as LARGEST
from rowcast.crud.subscriptions.bounds import Error, Id, Now, Reference

PROPOSED, COMMITTED, SYNCED, HEALTHY, FAILED = "proposed", "committed", "synced", "healthy", "failed"
MOST = 1_000
_NOTHING_THERE = ("elsewhere", "dead-lettered")
_WORD = ("sync", "health", "message")
"""What an engine says of itself: it moves from commit to commit and goes on saying it."""


class Progress(BaseModel):
    """As sync tells it; `errors` by row id."""

    model_config = ConfigDict(extra="ignore")

    application: Annotated[Reference, Field(min_length=1, max_length=507)]
    revision: Reference | None = None
    sync: Reference
    health: Reference
    message: Error | None = None
    observed_at: Now
    pending: Annotated[list[Id], Field(max_length=MOST)] = []
    pending_truncated: bool = False
    errors: Annotated[dict[Annotated[int, Field(ge=1, le=LARGEST)], Error], Field(max_length=MOST)] = {}


def save(connection: Connection, target: str, progress: Progress) -> bool:
    """Keep it, unless something newer is kept; whether it was."""
    values: dict[str, Any] = progress.model_dump() | {"target": target, "since": progress.observed_at}
    values["errors"] = {str(row_id): text for row_id, text in progress.errors.items()}
    statement = insert(gitops_progress).values(values)
    told, kept = statement.excluded, gitops_progress.c
    same = and_(*(told[name].is_not_distinct_from(kept[name]) for name in _WORD))
    since = case((same, func.coalesce(kept.since, kept.observed_at)), else_=told.since)
    upsert = statement.on_conflict_do_update(
        index_elements=["target"],
        set_={name: told[name] for name in values if name != "target"} | {"since": since},
        where=or_(told.observed_at >= kept.observed_at, kept.observed_at > func.now()),
    )
    return bool(connection.execute(upsert).rowcount)


def forget(connection: Connection, target: str) -> None:
    """No engine follows the target any more: its rows have no stage."""
    connection.execute(delete(gitops_progress).where(gitops_progress.c.target == target))


def stage() -> ColumnElement[str | None]:
    """How far a status' row has come beyond its delivery; null where that is all there is.

    What was delivered after the engine was looked at can't be in what was seen of it.
    """
    status, told = sync_statuses.c, gitops_progress.c
    behind = or_(told.pending_truncated, status.row_id == func.any(told.pending))
    return case(
        (status.stage == PROPOSED, PROPOSED),
        (told.target.is_(None) | status.outcome.in_(_NOTHING_THERE), null()),
        (status.delivered_at > told.observed_at, COMMITTED),
        (told.errors.has_key(_key()), FAILED),
        (behind, COMMITTED),
        (told.health == "Healthy", HEALTHY),
        else_=SYNCED,
    )


def stage_error() -> ColumnElement[str | None]:
    """What the engine says of the row, or what keeps it from going on with any."""
    told = gitops_progress.c
    return case((stage() == FAILED, told.errors[_key()].astext), (stage() == COMMITTED, told.message), else_=null())


def _key() -> ColumnElement[str]:
    return cast(sync_statuses.c.row_id, Text)
