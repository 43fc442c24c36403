"""The rows that a target is late with, for its instances, which look after them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from rowcast.crud.database.connections import reading
from rowcast.crud.deliveries import late
from rowcast.crud.fields import MAX_ID, Decimal, Number
from rowcast.crud.routes.dependencies import Database
from rowcast.crud.routes.errors import responses

router = APIRouter(tags=["configurations"])
MOST_SECONDS = 7 * 24 * 3600
Target = Annotated[str, Query(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Seconds = Annotated[float, Number, Query(ge=0, le=MOST_SECONDS, description="How long ago their last change was.")]
Within = Annotated[
    float | None,
    Number,
    Query(ge=0, le=MOST_SECONDS, description="Only rows whose last change was no longer ago; cheap, if short."),
]
Before = Annotated[
    AwareDatetime | None, Query(description="Only rows whose last change was before this moment of the database's.")
]


class Late(BaseModel):
    """A row that has not arrived. `deleted`: it is gone from the table and has still to go from the target."""

    generation: int
    name: str
    environment: str
    deleted: bool
    actor: str


class LateRow(Late):
    """A configuration that has not."""

    id: int


class LateRows(BaseModel):
    """The first of them, in the order of ids. `more`: there may be others above the last id."""

    rows: list[LateRow]
    more: bool


@router.get("/appconfigs:late", operation_id="lateAppConfigs", responses=responses())
def rows(
    database: Database,
    target: Target,
    seconds: Seconds = 30,
    after: Annotated[int, Decimal, Query(ge=0, le=MAX_ID, description="Only ids above this one.")] = 0,
    within: Within = None,
    before: Before = None,
) -> LateRows:
    """Rows that a target has not reported since their last change: what it refuses for good is not among them."""
    with reading(database) as connection:
        found = late.late(connection, target, seconds, after, within, before)
    listed: list[Any] = [LateRow(**row) for row in found]
    return LateRows(rows=listed, more=len(listed) == late.ROWS_AT_ONCE)
