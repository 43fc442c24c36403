"""Who did what, and who was refused what."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from rowcast.crud import paging
from rowcast.crud.access import audited
from rowcast.crud.database.connections import reading
from rowcast.crud.fields import Decimal, Time
from rowcast.crud.routes.dependencies import Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.lists import CursorText

router = APIRouter(tags=["access"])


class AuditEntry(BaseModel):
    """One request that has changed something, has proposed to, or was refused."""

    id: int
    at: Time
    way: str = Field(
        description="token, dashboard, sidecar, operator or local; owner: a command with the database's owner's access"
    )
    issuer: str | None = Field(description="whose token it was, if it was one")
    subject: str = Field(description="whom the policy knows")
    person: str = Field(description="what they are called")
    verified: bool = Field(description="whether an issuer, a login or a sidecar vouches for them")
    act: str
    renderer: str | None
    environments: list[str]
    operation: str
    path: str
    outcome: Literal["done", "refused", "proposed"]
    why: str | None
    request_id: str | None


class AuditPage(BaseModel):
    """Entries, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


@router.get("/audit", operation_id="listAudit", responses=responses(403))
def entries(
    database: Database,
    limit: Annotated[int, Decimal, Query(ge=1, le=500, description="How many at most.")] = 50,
    cursor: CursorText = None,
    person: Annotated[str | None, Query(max_length=400, description="Their subject, or what they are called.")] = None,
    renderer: Annotated[str | None, Query(max_length=63)] = None,
    environment: Annotated[str | None, Query(max_length=63)] = None,
    outcome: Literal["done", "refused", "proposed"] | None = None,
    request_id: Annotated[str | None, Query(max_length=128, description="The answer's `x-request-id`.")] = None,
) -> AuditPage:
    """Every change, in whose name and by which way it came, and what was refused to somebody who is known."""
    before = paging.decode_of(cursor, audited.CURSOR)
    wanted = audited.AuditFilter(person, renderer, environment, outcome, request_id)
    with reading(database) as connection:
        page = audited.page(connection, wanted, before, limit)
    following = page.next_cursor
    return AuditPage(
        items=[AuditEntry.model_validate(dict(row)) for row in page.rows],
        next_cursor=paging.encode(following) if following else None,
    )
