"""Dead letters: what a target could not take, to be replayed or discarded."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from sqlalchemy import RowMapping

from rowcast.crud import cursors, resolving
from rowcast.crud.answers import responses
from rowcast.crud.dead_letter_queries import CURSOR, LetterFilter
from rowcast.crud.dead_letter_schemas import (
    DeadLetterListed,
    DeadLetterOut,
    DeadLetterPage,
    DeadLetters,
    DiscardIn,
    DiscardManyIn,
    ReplayIn,
    ReplayManyIn,
)
from rowcast.crud.errors import FieldError
from rowcast.crud.routes.dependencies import Actor, Broker, Database
from rowcast.crud.routes.lists import CursorText, Limit
from rowcast.crud.schemas import MAX_ID, Decimal

router = APIRouter(prefix="/deadletters", tags=["dead letters"])

LetterId = Annotated[int, Decimal, Path(ge=1, le=MAX_ID, description="The dead letter's id.")]
_FILTERS = {"target": 63, "reason": 200}


@router.get("", operation_id="listDeadLetters", responses=responses())
def list_letters(
    database: Database,
    limit: Limit = 50,
    cursor: CursorText = None,
    state: Annotated[Literal["open", "replayed", "discarded", "any"], Query()] = "open",
    target: Annotated[str | None, Query(max_length=_FILTERS["target"], examples=["k8s"])] = None,
    reason: Annotated[str | None, Query(max_length=_FILTERS["reason"], examples=["not-owned"])] = None,
    row_id: Annotated[int | None, Decimal, Query(ge=1, le=MAX_ID)] = None,
) -> DeadLetterPage:
    """A page of dead letters, newest first; those that nobody has resolved yet, unless asked otherwise."""
    for field, value in (("target", target), ("reason", reason)):
        if value is not None and "\x00" in value:
            raise FieldError(field, "printable", "must not have NUL characters")
    before = cursors.decode(cursor) if cursor is not None else None
    if before is not None and before.sort != CURSOR:
        raise FieldError("cursor", "cursor", "is not a cursor of this list")
    wanted = LetterFilter(None if state == "any" else state, target, reason, row_id)
    page = resolving.list_letters(database, wanted, before, limit)
    return DeadLetterPage(
        items=[_letter(row) for row in page.rows],
        next_cursor=cursors.encode(page.next_cursor) if page.next_cursor else None,
        total=page.total,
    )


@router.get("/{id:segment}", operation_id="getDeadLetter", responses=responses(404))
def read(id: LetterId, database: Database) -> DeadLetterOut:  # noqa: A002 - the parameter's name in the API
    """One dead letter, with its event."""
    letter, event = resolving.get(database, id)
    return DeadLetterOut.model_validate({**letter, "event": event})


@router.post(":replay", operation_id="replayDeadLetters", responses=responses(404, 409))
def replay_many(wanted: ReplayManyIn, database: Database, publish: Broker, actor: Actor) -> DeadLetters:
    """Replays up to 1,000; nothing happens unless all of them are open."""
    letters = resolving.replay(database, publish, actor, wanted.ids, wanted.reason)
    return DeadLetters(items=[_letter(letter) for letter in letters])


@router.post(":discard", operation_id="discardDeadLetters", responses=responses(404, 409))
def discard_many(wanted: DiscardManyIn, database: Database, actor: Actor) -> DeadLetters:
    """Discards up to 1,000; nothing happens unless all of them are open."""
    letters = resolving.discard(database, actor, wanted.ids, wanted.reason)
    return DeadLetters(items=[_letter(letter) for letter in letters])


@router.post("/{id:segment}:replay", operation_id="replayDeadLetter", responses=responses(404, 409))
def replay(
    id: LetterId,  # noqa: A002
    database: Database,
    publish: Broker,
    actor: Actor,
    wanted: ReplayIn | None = None,
) -> DeadLetterListed:
    """Sends the event to its target again, past the same fence as every event: one that was overtaken changes nothing.

    The row's status tells what became of it; if it fails again, there is a new dead letter.
    """
    reason = wanted.reason if wanted else None
    return _letter(resolving.one(lambda ids: resolving.replay(database, publish, actor, ids, reason), id))


@router.post("/{id:segment}:discard", operation_id="discardDeadLetter", responses=responses(404, 409))
def discard(id: LetterId, wanted: DiscardIn, database: Database, actor: Actor) -> DeadLetterListed:  # noqa: A002
    """Takes the letter off the list of open ones; who did it and why stays with it."""
    return _letter(resolving.one(lambda ids: resolving.discard(database, actor, ids, wanted.reason), id))


def _letter(row: RowMapping) -> DeadLetterListed:
    return DeadLetterListed.model_validate(dict(row))
