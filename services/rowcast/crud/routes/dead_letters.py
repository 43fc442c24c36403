"""Dead letters: what a target could not take, to be replayed or discarded."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from sqlalchemy import RowMapping

from rowcast.core.row import KEY_MAX
from rowcast.crud import paging
from rowcast.crud.database.connections import reading
from rowcast.crud.dead_letters import actions, message
from rowcast.crud.dead_letters.queries import CURSOR, LetterFilter
from rowcast.crud.dead_letters.schemas import (
    TARGET,
    AnsweredReplays,
    AnswerIn,
    DeadLetterListed,
    DeadLetterMessages,
    DeadLetterOut,
    DeadLetterPage,
    DeadLetters,
    DiscardIn,
    DiscardManyIn,
    ReplayedLetter,
    ReplayIn,
    ReplayManyIn,
    UnansweredReplays,
)
from rowcast.crud.errors import FieldError
from rowcast.crud.fields import MAX_ID, Decimal, Number
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Broker, Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.lists import CursorText, Limit

router = APIRouter(prefix="/deadletters", tags=["dead letters"])

LetterId = Annotated[int, Decimal, Path(ge=1, le=MAX_ID, description="The dead letter's id.")]
MessageId = Annotated[str, Field(pattern=message.MESSAGE_ID)]
TargetName = Annotated[str, Query(min_length=1, max_length=63, pattern=TARGET)]
MAX_MESSAGES = 50
"""Keeps the request's line under the 4 KiB that sidecars take by default."""
MAX_SECONDS = 7 * 24 * 3600
_FILTERS = {"target": 63, "reason": 200}


@router.get("", operation_id="listDeadLetters", responses=responses())
def list_letters(
    asking: Asking,
    database: Database,
    limit: Limit = 50,
    cursor: CursorText = None,
    state: Annotated[Literal["open", "replayed", "discarded", "any"], Query()] = "open",
    target: Annotated[str | None, Query(max_length=_FILTERS["target"], examples=["k8s"])] = None,
    reason: Annotated[str | None, Query(max_length=_FILTERS["reason"], examples=["not-owned"])] = None,
    row_id: Annotated[int | None, Decimal, Query(ge=1, le=MAX_ID)] = None,
    renderer: Annotated[str | None, Query(max_length=63, examples=["tenants"])] = None,
    key: Annotated[str | None, Query(max_length=KEY_MAX, description="A row's, with its renderer.")] = None,
) -> DeadLetterPage:
    """A page of dead letters, newest first; those that nobody has resolved yet, unless asked otherwise."""
    for field, value in (("target", target), ("reason", reason), ("renderer", renderer), ("key", key)):
        if value is not None and "\x00" in value:
            raise FieldError(field, "printable", "must not have NUL characters")
    before = paging.decode_of(cursor, CURSOR)
    wanted = LetterFilter(None if state == "any" else state, target, reason, row_id, renderer, key, asking.rights)
    page = actions.list_letters(database, wanted, before, limit)
    return DeadLetterPage(
        items=[_letter(row) for row in page.rows],
        next_cursor=paging.encode(page.next_cursor) if page.next_cursor else None,
        total=page.total,
    )


@router.get("/{id:segment}", operation_id="getDeadLetter", responses=responses(404))
def read(id: LetterId, asking: Asking, database: Database) -> DeadLetterOut:  # noqa: A002 - the parameter's name in the API
    """One dead letter, with its event."""
    letter, event = actions.get(database, id, asking.rights)
    return DeadLetterOut.model_validate({**letter, "event": event})


@router.post(":replay", operation_id="replayDeadLetters", responses=responses(404, 409))
def replay_many(wanted: ReplayManyIn, asking: Asking, database: Database, publish: Broker, actor: Actor) -> DeadLetters:
    """Replays up to 1,000; nothing happens unless all of them are open."""
    letters = actions.replay(database, publish, actor, wanted.ids, wanted.reason, asking.rights)
    return DeadLetters(items=[_letter(letter) for letter in letters])


@router.post(":discard", operation_id="discardDeadLetters", responses=responses(404, 409))
def discard_many(wanted: DiscardManyIn, asking: Asking, database: Database, actor: Actor) -> DeadLetters:
    """Discards up to 1,000; nothing happens unless all of them are open."""
    letters = actions.discard(database, actor, wanted.ids, wanted.reason, asking.rights)
    return DeadLetters(items=[_letter(letter) for letter in letters])


@router.get(":arrived", operation_id="arrivedDeadLetters", responses=responses())
def arrived(
    database: Database,
    target: TargetName,
    id: Annotated[list[MessageId], Query(min_length=1, max_length=MAX_MESSAGES)],  # noqa: A002
) -> DeadLetterMessages:
    """Which of these messages of dead letters have come: for a target whose broker may lose what it has taken."""
    with reading(database) as connection:
        return DeadLetterMessages(arrived=message.arrived(connection, target, id))


@router.get(":unanswered", operation_id="unansweredReplays", responses=responses())
def unanswered(
    database: Database,
    target: TargetName,
    seconds: Annotated[float, Number, Query(ge=0, le=MAX_SECONDS, description="How long ago their replay was.")] = 30,
) -> UnansweredReplays:
    """The first dead letters of a target that were replayed and have not come to it."""
    letters = actions.unanswered(database, target, seconds)
    return UnansweredReplays(letters=[ReplayedLetter(id=letter_id, event=event) for letter_id, event in letters])


@router.post(":answered", operation_id="answerReplays", responses=responses())
def answered(told: AnswerIn, database: Database) -> AnsweredReplays:
    """A target says which replays have come to it; what became of their rows is in their statuses."""
    return AnsweredReplays(answered=actions.answer(database, told.target, told.ids))


@router.post("/{id:segment}:replay", operation_id="replayDeadLetter", responses=responses(404, 409))
def replay(
    id: LetterId,  # noqa: A002
    asking: Asking,
    database: Database,
    publish: Broker,
    actor: Actor,
    wanted: ReplayIn | None = None,
) -> DeadLetterListed:
    """Sends the event to its target again, past the same fence as every event: one that was overtaken changes nothing.

    The row's status tells what became of it; if it fails again, there is a new dead letter.
    """
    reason = wanted.reason if wanted else None
    return _letter(actions.one(lambda ids: actions.replay(database, publish, actor, ids, reason, asking.rights), id))


@router.post("/{id:segment}:discard", operation_id="discardDeadLetter", responses=responses(404, 409))
def discard(
    id: LetterId,  # noqa: A002
    wanted: DiscardIn,
    asking: Asking,
    database: Database,
    actor: Actor,
) -> DeadLetterListed:
    """Takes the letter off the list of open ones; who did it and why stays with it."""
    return _letter(actions.one(lambda ids: actions.discard(database, actor, ids, wanted.reason, asking.rights), id))


def _letter(row: RowMapping) -> DeadLetterListed:
    return DeadLetterListed.model_validate(dict(row))
