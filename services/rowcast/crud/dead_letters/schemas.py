"""Dead letters over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from rowcast.crud.fields import MAX_BATCH, MAX_ID, Strict, Time


def _printable(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("required", "must say why")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("printable", "must not have NUL characters or halves of surrogate pairs")
    return value.strip()


Reason = Annotated[
    str,
    Field(max_length=2000, description="Why, for whoever asks later.", examples=["a test"]),
    AfterValidator(_printable),
]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(min_length=1, max_length=MAX_BATCH)]


class DeadLetterListed(BaseModel):
    """What a target could not take. Row, name and generation are null where the event doesn't tell them."""

    id: int
    state: Literal["open", "replayed", "discarded"]
    target: str
    reason: str = Field(description="a stable word, such as undecodable, unknown-table, invalid or not-owned")
    error: str
    renderer: str | None
    key: str | None
    row_id: int | None = Field(description="of a configuration; null for rows of other renderers")
    name: str | None
    generation: int | None
    position: dict[str, str] = Field(description="where the event stood with the broker, as far as the broker says")
    occurrences: int = Field(description="how often the event has failed while this was open")
    dead_lettered_at: Time
    received_at: Time
    resolved_at: Time | None
    resolved_by: str | None
    resolution_reason: str | None
    answered_at: Time | None = Field(description="when the replay had come to its target; until then it is asked for")


class DeadLetterOut(DeadLetterListed):
    """One of them, with its event."""

    event: Any = Field(description="the event as it came, or its beginning; lists don't have it, since it may be large")


class DeadLetterPage(BaseModel):
    """A part of a list, newest first. `next_cursor` continues it; `total` counts the whole list."""

    items: list[DeadLetterListed]
    next_cursor: str | None
    total: int


class DeadLetters(BaseModel):
    """The letters in the order in which they were asked for."""

    items: list[DeadLetterListed]


class ReplayIn(Strict):
    """Why, if there is something to say."""

    reason: Reason | None = None


class DiscardIn(Strict):
    """Why."""

    reason: Reason


class ReplayManyIn(ReplayIn):
    """Which ones."""

    ids: Ids


class DiscardManyIn(DiscardIn):
    """Which ones."""

    ids: Ids


TARGET = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class DeadLetterMessages(BaseModel):
    """The ids of the messages that have come, of those that were asked for."""

    arrived: list[str]


class ReplayedLetter(BaseModel):
    """A replayed dead letter and its event."""

    id: int
    event: Any


class UnansweredReplays(BaseModel):
    """The first replays of a target that have not come to it, in the order of their letters."""

    letters: list[ReplayedLetter]


class AnswerIn(Strict):
    """Which replays have come to a target, by their letters."""

    target: Annotated[str, Field(min_length=1, max_length=63, pattern=TARGET)]
    ids: Ids


class AnsweredReplays(BaseModel):
    """Of how many that was news."""

    answered: int
