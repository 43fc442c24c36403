"""What a GitOps engine made of the commits: kept by target, and told of each row as its stage.

Nothing is kept of single rows: the last message says which rows are behind, and all others are not.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, ColumnElement, Connection, Text, and_, case, cast, delete, func, null, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from rowcast.core.row import APP_CONFIGS, RowKey, app_config, row_named
from rowcast.crud.database.tables import gitops_progress, row_statuses, sync_statuses
from rowcast.crud.subscriptions.bounds import Error, Now, Reference, check_key

PROPOSED, COMMITTED, SYNCED, HEALTHY, FAILED = "proposed", "committed", "synced", "healthy", "failed"
MOST = 1_000
_NOTHING_THERE = ("elsewhere", "dead-lettered")
_WORD = ("sync", "health", "message")
"""What an engine says of itself: it moves from commit to commit and goes on saying it."""


def _row(value: Any) -> RowKey:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    try:
        row = app_config(int(text)) if text.isascii() and text.isdigit() else row_named(text)
    except ValueError as error:
        raise PydanticCustomError("row", "must be renderer/key") from error
    check_key(row.renderer, row.key)
    return row


def _ours(row: RowKey) -> bool:
    return row.renderer == APP_CONFIGS


Named = Annotated[RowKey, BeforeValidator(_row)]
"""A row as `renderer/key`; a sync of before 0.3 names configurations by their ids."""


class Progress(BaseModel):
    """As sync tells it; rows as `renderer/key`."""

    model_config = ConfigDict(extra="ignore")

    application: Annotated[Reference, Field(min_length=1, max_length=507)]
    revision: Reference | None = None
    sync: Reference
    health: Reference
    message: Error | None = None
    observed_at: Now
    pending: Annotated[list[Named], Field(max_length=MOST)] = []
    pending_truncated: bool = False
    errors: Annotated[dict[Named, Error], Field(max_length=MOST)] = {}


def save(connection: Connection, target: str, progress: Progress) -> bool:
    """Keep it, unless something newer is kept; whether it was."""
    values: dict[str, Any] = progress.model_dump() | {"target": target, "since": progress.observed_at}
    # Configurations by their ids, as a crud of before reads them.
    values["errors"] = {row.key if _ours(row) else str(row): text for row, text in progress.errors.items()}
    values["pending"] = [int(row.key) for row in progress.pending if _ours(row)]
    values["pending_rows"] = [str(row) for row in progress.pending if not _ours(row)]
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


@dataclass(frozen=True)
class Told:
    """A table of statuses, and how an engine's word is found for each: by its row's name, among those `behind`."""

    status: ReadOnlyColumnCollection[str, Column[Any]]
    name: ColumnElement[str]
    behind: ColumnElement[bool]


OF_CONFIGURATIONS = Told(
    sync_statuses.c, cast(sync_statuses.c.row_id, Text), sync_statuses.c.row_id == func.any(gitops_progress.c.pending)
)
_NAME = row_statuses.c.renderer + "/" + row_statuses.c.key
OF_ROWS = Told(row_statuses.c, _NAME, func.array_position(gitops_progress.c.pending_rows, _NAME).is_not(None))


def stage(of: Told = OF_CONFIGURATIONS) -> ColumnElement[str | None]:
    """How far a status' row has come beyond its delivery; null where that is all there is.

    Where no engine follows the target, the target itself has told it.
    What was delivered after the engine was looked at can't be in what was seen of it.
    """
    status, told = of.status, gitops_progress.c
    behind = or_(told.pending_truncated, of.behind)
    return case(
        (status.stage == PROPOSED, PROPOSED),
        (status.outcome.in_(_NOTHING_THERE), null()),
        (told.target.is_(None), status.stage),
        (status.delivered_at > told.observed_at, COMMITTED),
        (told.errors.has_key(of.name), FAILED),
        (behind, COMMITTED),
        (told.health == "Healthy", HEALTHY),
        else_=SYNCED,
    )


def settled_at(of: Told = OF_CONFIGURATIONS) -> ColumnElement[Any]:
    """When a status' row came to its stage, or was delivered where there is none; an engine's word is of all rows."""
    told = gitops_progress.c
    staged = case((told.target.is_(None), of.status.staged_at), else_=told.since)
    return func.greatest(of.status.delivered_at, staged)


def stage_error(of: Told = OF_CONFIGURATIONS) -> ColumnElement[str | None]:
    """What the engine says of the row, or what keeps it from going on with any."""
    told = gitops_progress.c
    stage_ = stage(of)
    return case(
        (told.target.is_(None), of.status.stage_error),
        (stage_ == FAILED, told.errors[of.name].astext),
        (stage_ == COMMITTED, told.message),
        else_=null(),
    )
