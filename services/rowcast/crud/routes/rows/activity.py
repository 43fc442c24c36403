"""What happened, and who did it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from rowcast.crud import paging
from rowcast.crud.errors import FieldError
from rowcast.crud.fields import MAX_ID, Decimal, Time
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.lists import CursorText
from rowcast.crud.rows import activity

router = APIRouter(prefix="/activity", tags=["activity"])


class ActivityEntry(BaseModel):
    """One change of one row; `fields` has before and after of what differs, `outcomes` what became of it by target."""

    id: int
    row_id: int
    name: str
    environment: str
    generation: int
    change: activity.Change
    changed_at: Time
    changed_by: str
    fields: dict[str, tuple[str | None, str | None]]
    outcomes: dict[str, activity.Became] = Field(
        description="`superseded`: a later change of the row has taken its place, before or after it was delivered"
    )


class ActivityOut(BaseModel):
    """Changes, newest first."""

    items: list[ActivityEntry]
    next_cursor: str | None


class People(BaseModel):
    """Who has changed something, the last one first."""

    items: list[str]


@router.get("", operation_id="listActivity", responses=responses())
def happened(
    asking: Asking,
    database: Database,
    settings: Settings,
    limit: Annotated[int, Decimal, Query(ge=1, le=500, description="How many at most.")] = 50,
    cursor: CursorText = None,
    person: Annotated[str | None, Query(max_length=200, description="Who made the change.")] = None,
    row_id: Annotated[int | None, Decimal, Query(ge=1, le=MAX_ID)] = None,
    name: Annotated[str | None, Query(max_length=63, description="A part of the row's name, then or since.")] = None,
    change: activity.Change | None = None,
    outcome: Annotated[activity.Became | None, Query(description="What became of it at some target.")] = None,
) -> ActivityOut:
    """Changes of all configurations, newest first; direct SQL edits are among them."""
    before = paging.decode(cursor) if cursor is not None else None
    if before is not None and before.sort != activity.SORT:
        raise FieldError("cursor", "cursor", "is not a cursor of the activity")
    wanted = activity.ActivityFilter(person, row_id, name, change, outcome, settings.targets, asking.seen())
    page = activity.page(database, wanted, before, limit)
    return ActivityOut(
        items=[_entry(row, page.outcomes[row["id"]]) for row in page.rows],
        next_cursor=paging.encode(page.next_cursor) if page.next_cursor else None,
    )


@router.get("/people", operation_id="listPeople", responses=responses())
def people(asking: Asking, database: Database) -> People:
    """At most 200."""
    return People(items=activity.people(database, asking.seen()))


def _entry(row: RowMapping, outcomes: object) -> ActivityEntry:
    last = row["after"] or row["before"]
    told = {"name": last["name"], "environment": last["environment"], "outcomes": outcomes}
    return ActivityEntry.model_validate({**row, **told, "fields": activity.fields(row)})
