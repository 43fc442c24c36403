"""What a person can do with dead letters: look, replay, discard. Each function is one transaction."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import Connection, Engine, RowMapping

from rowcast.core.errors import TransientError
from rowcast.core.messages import replay_message
from rowcast.core.policy import UNLIMITED, Rights
from rowcast.crud.database.connections import changing, reading
from rowcast.crud.dead_letters import queries
from rowcast.crud.errors import (
    BatchError,
    BrokerError,
    DeniedError,
    ItemError,
    LetterNotFoundError,
    LetterResolvedError,
)
from rowcast.crud.paging import Cursor, Page
from rowcast.crud.subscriptions.bounds import DEEPEST, depth

UNANSWERED_AT_ONCE = 20
"""Letters with their events, which may have some hundred KB."""
Publish = Callable[[str, Any, dict[str, str]], None]
"""Publishes an event to be replayed at a target, with the metadata for the broker; raises TransientError if it isn't
taken."""


def list_letters(engine: Engine, wanted: queries.LetterFilter, before: Cursor | None, limit: int) -> Page:
    """One page and the total, from one snapshot."""
    with reading(engine) as connection:
        return queries.letters_page(connection, wanted, before, limit)


def get(engine: Engine, letter_id: int, rights: Rights = UNLIMITED) -> tuple[RowMapping, Any]:
    """The letter and its event. Raises LetterNotFoundError."""
    with reading(engine) as connection:
        letter = queries.get(connection, letter_id)
        if letter is None or not queries.permitted(connection, [letter_id], rights, "view"):
            raise LetterNotFoundError(letter_id)
        return letter, event_of(queries.event_text(connection, letter_id))


def discard(
    engine: Engine, actor: str, ids: Sequence[int], reason: str, rights: Rights = UNLIMITED
) -> list[RowMapping]:
    """The letters, now discarded, in the order of `ids`. Raises BatchError and does nothing if one isn't open."""
    with changing(engine, actor) as connection:
        _open(connection, ids, rights)
        resolved = queries.resolve(connection, ids, queries.DISCARDED, actor, reason)
    return [resolved[letter_id] for letter_id in ids]


def replay(
    engine: Engine,
    publish: Publish,
    actor: str,
    ids: Sequence[int],
    reason: str | None,
    rights: Rights = UNLIMITED,
) -> list[RowMapping]:
    """The letters, now replayed, in the order of `ids`: their events are with the broker again, oldest letter first.

    Raises BatchError and does nothing if one isn't open, and BrokerError if the broker takes no more of them: what it
    took counts as replayed, the rest stays open. What it loses all the same, the target asks for (`unanswered`).
    """
    published: list[int] = []
    trouble: TransientError | None = None
    # The locks are held while publishing: an event that fails again at once must find its letter resolved, and so make
    # a new one, instead of being added to one that is about to be closed.
    with changing(engine, actor) as connection:
        for letter in _open(connection, ids, rights).values():
            try:
                event = event_of(queries.event_text(connection, letter["id"]))
                message = replay_message(event, letter["id"], uuid4().hex)
                publish(letter["target"], message, _metadata(letter))
            except TransientError as error:
                trouble = error
                break
            published.append(letter["id"])
        resolved = queries.resolve(connection, published, queries.REPLAYED, actor, reason)
    if trouble is not None:
        raise BrokerError(f"{len(published)} of {len(ids)} were replayed: {trouble}") from trouble
    return [resolved[letter_id] for letter_id in ids]


def unanswered(engine: Engine, target: str, seconds: float) -> list[tuple[int, Any]]:
    """Letters (id, event) of a target that were replayed longer than that ago and have not come; the first of them."""
    with reading(engine) as connection:
        letters = queries.unanswered(connection, target, seconds, UNANSWERED_AT_ONCE)
        return [(letter["id"], event_of(letter["event"])) for letter in letters]


def answer(engine: Engine, target: str, ids: Sequence[int]) -> int:
    """The replays of these letters have come; of how many that was news."""
    with changing(engine) as connection:
        return queries.answer(connection, target, sorted(set(ids)))


def event_of(text: str) -> Any:
    """The event as it came; one that is nested too deeply for our own answers stays text."""
    try:
        event = orjson.loads(text)  # as it was read when it came: a number of 300 digits is a float
    except orjson.JSONDecodeError:
        return text
    return event if depth(event) <= DEEPEST else text


def one(action: Callable[[Sequence[int]], list[RowMapping]], letter_id: int) -> RowMapping:
    """What `action` makes of one letter. Raises LetterNotFoundError, LetterResolvedError."""
    try:
        return action([letter_id])[0]
    except BatchError as error:
        found = error.errors[0]
        if found.rule == "policy":
            raise DeniedError(found.message) from error
        raise (
            LetterNotFoundError(letter_id) if found.rule == "not-found" else LetterResolvedError(found.message)
        ) from error


def _metadata(letter: RowMapping) -> dict[str, str]:
    # Raw: the event is a CloudEvent already, or it is what arrived in the place of one.
    key = {} if letter["key"] is None else {"partitionKey": f"{letter['renderer']}/{letter['key']}"}
    return {"rawPayload": "true", **key}


def _open(connection: Connection, ids: Sequence[int], rights: Rights) -> dict[int, RowMapping]:
    letters = queries.lock_many(connection, ids)
    visible = queries.permitted(connection, ids, rights, "view")
    operable = queries.permitted(connection, ids, rights, "operate")
    errors = []
    seen: set[int] = set()
    for index, letter_id in enumerate(ids):
        letter = letters.get(letter_id)
        if letter is None or letter_id not in visible:
            errors.append(ItemError(index, "ids", "not-found", f"there is no dead letter {letter_id}"))
        elif letter_id not in operable:
            message = f"the policy doesn't allow you to operate rows such as the one of dead letter {letter_id}"
            errors.append(ItemError(index, "ids", "policy", message))
        elif letter_id in seen:
            errors.append(ItemError(index, "ids", "duplicate", f"dead letter {letter_id} is there twice"))
        elif letter["state"] != queries.OPEN:
            message = f"dead letter {letter_id} was {letter['state']} by {letter['resolved_by']}"
            errors.append(ItemError(index, "ids", "resolved", message))
        seen.add(letter_id)
    if errors:
        raise BatchError(errors)
    return letters
