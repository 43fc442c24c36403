"""What sync could not deliver: the message's shape, and how it is kept."""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DataError

from rowcast.core.messages import SHORT_BYTES, clip
from rowcast.core.row import APP_CONFIGS, KEY_MAX, RENDERER
from rowcast.crud.database.tables import dead_letter_receipts, dead_letters
from rowcast.crud.dead_letters.queries import REPLAYED, key_of_letter, renderer_of_letter
from rowcast.crud.sources.environments import environments_of_event
from rowcast.crud.subscriptions.bounds import DEEPEST, MOST, Error, Now, Reference, check_key, depth, named


def _number(value: object) -> object:
    """A number out of the range of rows and generations is still in the event; here it would be in the way."""
    return value if type(value) is int and 0 <= value <= MOST else None


def _renderer(value: object) -> object:
    return value if isinstance(value, str) and RENDERER.fullmatch(value) else None


def _key(value: object) -> object:
    return value if isinstance(value, str) and 0 < len(value) <= KEY_MAX and "\0" not in value else None


def _texts(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {clip(str(key), SHORT_BYTES): clip(str(text), SHORT_BYTES) for key, text in list(value.items())[:POSITIONS]}


def _shallow(event: object) -> object:
    """What is nested too deeply to be read and written safely is kept as text."""
    if depth(event) <= DEEPEST:
        return event
    try:
        return json.dumps(event)
    except RecursionError:
        return "nested too deeply to be kept"


MESSAGE_ID = r"^[0-9a-f]{32}$"
POSITIONS = 20
"""What a broker says of an event's place, at the most."""
Optional = Annotated[int | None, BeforeValidator(_number)]


class DeadLetter(BaseModel):
    """One event that a target could not take, as sync publishes it; `event` is any JSON."""

    model_config = ConfigDict(extra="ignore")

    target: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    reason: Annotated[Reference, Field(min_length=1)]
    error: Error
    renderer: Annotated[str | None, BeforeValidator(_renderer)] = None
    key: Annotated[str | None, BeforeValidator(_key)] = None
    name: Reference | None = None
    generation: Optional = None
    position: Annotated[dict[str, str], BeforeValidator(_texts)] = {}
    event: Annotated[Any, BeforeValidator(_shallow)]
    dead_lettered_at: Now
    message_id: Annotated[str, Field(pattern=MESSAGE_ID)] | None = None
    once: bool = False
    """It is of a row and not of its event, and comes again while the row is refused: a generation that has a letter
    already, and one that was not replayed, gets no second one.
    """

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        """A sync of before 0.3 names configurations by their ids alone."""
        return named(data)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Half of a name is none."""
        try:
            if self.renderer is None or self.key is None:
                raise ValueError
            check_key(self.renderer, self.key)
        except ValueError:
            self.renderer = self.key = None
        return self

    @property
    def row_id(self) -> int | None:
        """A configuration's, which has it in a column of its own."""
        return int(self.key) if self.renderer == APP_CONFIGS and self.key is not None else None

    @property
    def event_key(self) -> bytes:
        """The same for the same event at the same target."""
        return _digest([self.target, self.event])

    @property
    def message_key(self) -> bytes:
        """The same for the same message, however often the broker brings it, or sync publishes it."""
        if self.message_id is not None:
            return key_of_message(self.target, self.message_id)
        return _digest([self.target, self.event, self.dead_lettered_at.isoformat()])


def key_of_message(target: str, message_id: str) -> bytes:
    """Under which the receipt of a message is kept that has an id."""
    return _digest([target, message_id])


def arrived(connection: Connection, target: str, message_ids: Iterable[str]) -> list[str]:
    """Those of these messages of a target that have come, whatever became of their letters since."""
    keys = {key_of_message(target, message_id): message_id for message_id in message_ids}
    column = dead_letter_receipts.c.message_key
    return sorted(keys[bytes(key)] for key in connection.execute(select(column).where(column.in_(keys))).scalars())


def save(connection: Connection, letter: DeadLetter) -> int | None:
    """The id under which the letter is kept; None if this very message was kept before, whatever became of it since,
    or if it says `once` and its row's generation has a letter.
    """
    # Two copies of one message wait here for each other, so that only one of them finds nothing.
    connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(letter.message_key[:8], signed=True))))
    known = select(dead_letter_receipts).where(dead_letter_receipts.c.message_key == letter.message_key)
    if not letter.once and connection.execute(known).first() is not None:
        return None
    of_the_row = _of_the_row(connection, letter) if letter.once else None
    letter_id = _keep(connection, letter) if of_the_row is None else of_the_row
    receipt = upsert(dead_letter_receipts).values(message_key=letter.message_key, dead_letter_id=letter_id)
    connection.execute(receipt.on_conflict_do_nothing())
    return letter_id if of_the_row is None else None


def _of_the_row(connection: Connection, letter: DeadLetter) -> int | None:
    """The letter that the row's generation has already, unless it was replayed: then it was refused once more."""
    found = select(dead_letters.c.id).where(
        renderer_of_letter == letter.renderer,
        key_of_letter == letter.key,
        dead_letters.c.generation == letter.generation,
        dead_letters.c.target == letter.target,
        dead_letters.c.state != REPLAYED,
    )
    return connection.execute(found.limit(1)).scalar()


def _keep(connection: Connection, letter: DeadLetter) -> int:
    try:
        with connection.begin_nested():
            return _upsert(connection, letter, {"event": letter.event})
    except DataError:
        # JSON that jsonb can't hold, such as \u0000: as text it loses nothing.
        return _upsert(connection, letter, {"event_text": json.dumps(letter.event)})


def _upsert(connection: Connection, letter: DeadLetter, event: dict[str, Any]) -> int:
    values = letter.model_dump(exclude={"event", "message_id", "once"})
    values["environments"] = environments_of_event(connection, letter.event)
    statement = upsert(dead_letters).values(**values, **event, row_id=letter.row_id, event_key=letter.event_key)
    latest = {name: statement.excluded[name] for name in ("reason", "error", "position", "dead_lettered_at")}
    statement = statement.on_conflict_do_update(
        index_elements=[dead_letters.c.event_key],
        index_where=text("state = 'open'"),
        set_={**latest, "occurrences": dead_letters.c.occurrences + 1},
    )
    letter_id: int = connection.execute(statement.returning(dead_letters.c.id)).scalar_one()
    return letter_id


def _digest(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()
