"""Reads of the dead letters, and how they are resolved. Every function works in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Text,
    and_,
    case,
    cast,
    func,
    not_,
    or_,
    select,
    true,
    update,
)

from rowcast.core.policy import UNLIMITED, Rights
from rowcast.core.row import APP_CONFIGS
from rowcast.crud.access.within import where_allowed, within
from rowcast.crud.database.tables import app_configs, dead_letters, history
from rowcast.crud.paging import Cursor, Page

CURSOR = "deadletters"
_OF_CONFIGURATION = dead_letters.c.row_id.is_not(None)
renderer_of_letter = case((_OF_CONFIGURATION, APP_CONFIGS), else_=dead_letters.c.renderer).label("renderer")
key_of_letter = case((_OF_CONFIGURATION, cast(dead_letters.c.row_id, Text)), else_=dead_letters.c.key).label("key")
"""Letters of before 0.3 have the ids of configurations alone."""
_NOT_LISTED = {"event", "event_text", "event_key", "renderer", "key", "environments"}
LISTED = (*(column for column in dead_letters.c if column.name not in _NOT_LISTED), renderer_of_letter, key_of_letter)
"""All but the event, which may have some hundred KB."""
OPEN, REPLAYED, DISCARDED = "open", "replayed", "discarded"


@dataclass(frozen=True)
class LetterFilter:
    """Which dead letters a list has; None means any."""

    state: str | None = OPEN
    target: str | None = None
    reason: str | None = None
    row_id: int | None = None
    renderer: str | None = None
    key: str | None = None
    seen: Rights = UNLIMITED
    """Of who asks: of whose rows' letters there are any for them."""


def letters_page(connection: Connection, wanted: LetterFilter, before: Cursor | None, limit: int) -> Page:
    """One page, newest first, and the number of letters in the whole list."""
    conditions = _conditions(wanted)
    total = connection.execute(select(func.count()).select_from(dead_letters).where(*conditions)).scalar_one()
    query = select(*LISTED).where(*conditions).order_by(dead_letters.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(dead_letters.c.id < before.row_id)
    rows = connection.execute(query).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, Cursor(CURSOR, "", rows[-1]["id"]) if more else None, total)


def get(connection: Connection, letter_id: int) -> RowMapping | None:
    """One letter, without its event."""
    return connection.execute(select(*LISTED).where(dead_letters.c.id == letter_id)).mappings().one_or_none()


def event_text(connection: Connection, letter_id: int) -> str:
    """The event of a letter that there is, as JSON."""
    text = func.coalesce(dead_letters.c.event_text, cast(dead_letters.c.event, Text), "null")
    found: str = connection.execute(select(text).where(dead_letters.c.id == letter_id)).scalar_one()
    return found


def lock_many(connection: Connection, ids: Sequence[int]) -> dict[int, RowMapping]:
    """These letters by id, in the order of ids, locked until the transaction ends.

    While one is locked, a new failure of its event waits, and then sees whether the letter is still open.
    """
    query = select(*LISTED).where(dead_letters.c.id.in_(ids)).order_by(dead_letters.c.id).with_for_update()
    return {row["id"]: row for row in connection.execute(query).mappings()}


def resolve(
    connection: Connection, ids: Sequence[int], state: str, actor: str, reason: str | None
) -> dict[int, RowMapping]:
    """The letters by id, now `replayed` or `discarded`, with who did it and why."""
    statement = update(dead_letters).where(dead_letters.c.id.in_(ids))
    resolution = {"state": state, "resolved_at": func.now(), "resolved_by": actor, "resolution_reason": reason}
    return {row["id"]: row for row in connection.execute(statement.values(resolution).returning(*LISTED)).mappings()}


def unanswered(connection: Connection, target: str, seconds: float, limit: int) -> Sequence[RowMapping]:
    """`id` and `event` (JSON text) of the letters that were replayed longer than that ago and have not come, oldest
    first.
    """
    letter = dead_letters.c
    text = func.coalesce(letter.event_text, cast(letter.event, Text), "null").label("event")
    conditions = (
        letter.target == target,
        letter.state == REPLAYED,
        letter.answered_at.is_(None),
        letter.resolved_at < func.now() - timedelta(seconds=seconds),
    )
    query = select(letter.id, text).where(*conditions).order_by(letter.id).limit(limit)
    return connection.execute(query).mappings().all()


def answer(connection: Connection, target: str, ids: Sequence[int]) -> int:
    """The replays of these letters have come to their target, and what became of them is told; how many were news."""
    letter = dead_letters.c
    chosen = (letter.id.in_(ids), letter.target == target, letter.state == REPLAYED, letter.answered_at.is_(None))
    return connection.execute(update(dead_letters).where(*chosen).values(answered_at=func.now())).rowcount


def _conditions(wanted: LetterFilter) -> list[ColumnElement[bool]]:
    columns = {"renderer": renderer_of_letter, "key": key_of_letter}
    given = {name: value for name, value in vars(wanted).items() if value is not None and name != "seen"}
    conditions = [
        columns[name] == value if name in columns else dead_letters.c[name] == value for name, value in given.items()
    ]
    return [*conditions, of_whose_rows(wanted.seen, "view")]


def of_whose_rows(rights: Rights, verb: str) -> ColumnElement[bool]:
    """Whether somebody may do something with the row that a letter is of.

    On both sides of the change that the letter holds, which is shown; of a configuration also where it is or was last.
    A letter that is of no row that is known is for who may with all of all.
    """
    if rights.decide("rows", verb, None).allowed:
        return true()
    letter = dead_letters.c

    def allowed(environment: ColumnElement[str]) -> ColumnElement[bool]:
        return where_allowed(rights, ("rows", verb), renderer_of_letter, environment)

    first, second = letter.environments[1], letter.environments[2]
    sides_allowed = and_(allowed(first), or_(second.is_(None), allowed(second)))
    reach = rights.environments("rows", verb, APP_CONFIGS)
    if reach.everything:
        its: ColumnElement[bool] = _OF_CONFIGURATION
    else:
        here = select(app_configs.c.environment).where(app_configs.c.id == dead_letters.c.row_id)
        last = func.coalesce(history.c.after["environment"].astext, history.c.before["environment"].astext)
        gone = select(last).where(history.c.row_id == dead_letters.c.row_id).order_by(history.c.id.desc()).limit(1)
        environment = func.coalesce(
            here.correlate(dead_letters).scalar_subquery(), gone.correlate(dead_letters).scalar_subquery()
        )
        # One of before migration 20; of a row of `rowcast.rows` it has the environment where SQL doesn't find it.
        unnoted = and_(
            letter.environments.is_(None),
            *(letter.event[("data", side, "renderer")].astext.is_(None) for side in ("before", "after")),
        )
        sides = (letter.event[("data", side, "environment")].astext for side in ("before", "after"))
        its = and_(
            _OF_CONFIGURATION,
            # What is no event that can be read could hold anything.
            func.jsonb_typeof(dead_letters.c.event["data"]) == "object",
            within(reach, environment),
            or_(unnoted, sides_allowed),
            *(or_(side.is_(None), within(reach, side)) for side in sides),
        )
    return or_(its, and_(not_(_OF_CONFIGURATION), sides_allowed))


def permitted(connection: Connection, ids: Sequence[int], rights: Rights, verb: str) -> set[int]:
    """Those of the letters with whose rows somebody may do something."""
    chosen = (dead_letters.c.id.in_(ids), of_whose_rows(rights, verb))
    return set(connection.execute(select(dead_letters.c.id).where(*chosen)).scalars())
