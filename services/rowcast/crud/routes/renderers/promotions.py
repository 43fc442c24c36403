"""Promotion: which version is where, copying fields from a counterpart, and what waits for somebody to approve."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Engine, RowMapping

from rowcast.core.policy import ANONYMOUS
from rowcast.core.row import APP_CONFIGS, KEY_MAX
from rowcast.crud import paging
from rowcast.crud.access.callers import Access, Caller
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import ForbiddenError, MissingError
from rowcast.crud.fields import MAX_BATCH, MAX_ID, Boolean, Decimal, Strict
from rowcast.crud.renderers import promoting
from rowcast.crud.renderers import promotions as reads
from rowcast.crud.renderers.editing import Permit
from rowcast.crud.renderers.promotion_schemas import (
    BoardOut,
    PromotedOut,
    PromotionRecords,
    PromotionResult,
    board_out,
    result_out,
)
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.previews import answer
from rowcast.crud.routes.renderers.reads import Name
from rowcast.crud.routes.rows.lists import CursorText, Limit
from rowcast.crud.rows.schemas import PromotionRecord
from rowcast.crud.settings import CrudSettings

router = APIRouter(prefix="/renderers", tags=["renderers"])
Number = Annotated[int, Decimal, Path(ge=1, le=MAX_ID, description="The request's number.")]
Key = Annotated[str, Field(max_length=KEY_MAX)]
Generation = Annotated[int, Field(ge=1, le=MAX_ID)]


class PromotionIn(Strict):
    """One promotion, with the generations at which both rows were seen."""

    from_key: Key
    from_generation: Generation
    to_key: Key
    to_generation: Generation


class PromotionsIn(Strict):
    """Promotions as they were seen; or, with `dry_run`, those to `keys`, or `all` that differ (`into` one place)."""

    items: Annotated[list[PromotionIn], Field(max_length=MAX_BATCH)] = Field(default_factory=list)
    keys: Annotated[list[Key], Field(max_length=MAX_BATCH)] = Field(default_factory=list)
    all: bool = False
    into: Annotated[str, Field(max_length=KEY_MAX)] | None = None
    dry_run: bool = False
    previews: Annotated[int, Field(ge=0, le=promoting.MOST_PREVIEWS)] = promoting.MOST_PREVIEWS

    @model_validator(mode="after")
    def _whole(self) -> "PromotionsIn":
        if sum((self.all, bool(self.items), bool(self.keys))) != 1:
            raise PydanticCustomError("items", "name promotions by items, rows by keys, or ask for all: one of these")
        if not self.items and not self.dry_run:
            raise PydanticCustomError("items", "come from a dry run, and are promoted as they were seen there")
        return self


class RefusalIn(Strict):
    """Why not."""

    why: Annotated[str, Field(max_length=1000)] | None = None


@router.get("/{name}/promotions", operation_id="getPromotionBoard", responses=responses(404))
def get_board(
    name: Name,
    asking: Asking,
    database: Database,
    settings: Settings,
    limit: Limit = 50,
    cursor: CursorText = None,
    search: Annotated[str | None, Query(max_length=2048, description="A part of what counterparts share.")] = None,
    differs: Annotated[bool, Boolean, Query(description="Only where the fields are not the same everywhere.")] = False,
) -> BoardOut:
    """Which version is where: a page of groups of counterparts, what may be promoted in each place, and why not.

    `appconfigs` are configurations, promoted as ROWCAST_PROMOTION says.
    """
    _sees_all_places(asking, name, settings)
    after = paging.decode(cursor) if cursor is not None else None
    with reading(database) as connection:
        of = reads.ground(connection, name, settings, asking.seen(name))
        return board_out(of, reads.board(connection, of, settings, search, differs, after, limit))


@router.post("/{name}/promotions", operation_id="promoteRows", responses=responses(403, 404, 409))
def promote(
    name: Name, given: PromotionsIn, asking: Asking, database: Database, settings: Settings, actor: Actor
) -> PromotedOut:
    """Copies fields from counterparts, each row by itself; what has changed since it was seen is refused.

    `dry_run` only tells, with what the first rows become before and after. Where a promotion needs an approval, it is
    kept as a request, which somebody else approves.
    """
    _sees_all_places(asking, name, settings)
    wanted = [promoting.Wanted(**item.model_dump()) for item in given.items]
    total: int | None = None
    permit = Permit(asking, name, ("promotions", "promote"))
    if not given.dry_run:
        return _answered(False, promoting.promote(database, actor, permit, settings, wanted), None)
    with reading(database) as connection:
        if given.all:
            results, total = promoting.see_all(connection, permit, settings, given.into, given.previews, MAX_BATCH)
        elif given.keys:
            results = promoting.see_rows(connection, permit, settings, given.keys, given.previews)
        else:
            results = promoting.see(connection, permit, settings, wanted, given.previews)
    return _answered(True, results, total)


@router.get("/{name}/promotions:requests", operation_id="listPromotions", responses=responses())
def list_records(
    name: Name,
    asking: Asking,
    database: Database,
    limit: Limit = 50,
    cursor: CursorText = None,
    state: Annotated[Literal["awaiting", "promoted", "refused", "outdated"] | None, Query()] = None,
) -> PromotionRecords:
    """What was promoted, and what somebody has asked to, newest first."""
    before = paging.decode_of(cursor, reads.RECORDS)
    with reading(database) as connection:
        found, following = reads.records(connection, name, state, before, limit, asking.seen(name))
    items = [PromotionRecord.model_validate(dict(one)) for one in found]
    return PromotionRecords(items=items, next_cursor=paging.encode(following) if following else None)


@router.post("/{name}/promotions/{number}:approve", operation_id="approvePromotion", responses=responses(403, 404, 409))
def approve(
    name: Name, number: Number, asking: Asking, request: Request, database: Database, settings: Settings, actor: Actor
) -> PromotionRecord:
    """Promotes what somebody else has asked for, in their name, if both rows are as they were seen then."""
    record = _record(database, asking, name, number)
    asking.require("promotions", "approve", name, record["to_environment"])
    access: Access = request.app.state.access
    if access.approvals.wanted(name):
        # The approval of the promotion is the one that the environment wants: of a person, as any is there.
        why = access.why_no_person(asking)
        if why is None and not (record["asked_by_verified"] or access.on_loopback):
            why = f"nobody vouches for {record['asked_by']}, who has asked for it"
        if why is None and record["asked_by"].casefold() in asking.person_names:
            why = f"{record['asked_by']} has asked for it: somebody else has to approve"
        if why is not None:
            raise ForbiddenError("approval", why)
        asking.noted.review = None
    asking.noted.approved_by = asking.actor
    permit = Permit(asking, name, ("promotions", "approve"))
    found = promoting.approve(database, actor, permit, settings, number, ANONYMOUS)
    return PromotionRecord.model_validate(dict(found))


@router.post("/{name}/promotions/{number}:refuse", operation_id="refusePromotion", responses=responses(404, 409))
def refuse(
    name: Name, number: Number, given: RefusalIn, asking: Asking, database: Database, actor: Actor
) -> PromotionRecord:
    """Says no to what somebody has asked for; who asked takes it back so."""
    record = _record(database, asking, name, number)
    own = asking.verified and (record["asked_by"], record["asked_by_verified"]) == (str(actor), True)
    if not own:
        asking.require("promotions", "approve", name, record["to_environment"])
    return PromotionRecord.model_validate(dict(promoting.refuse(database, actor, name, number, given.why)))


def _sees_all_places(asking: Caller, name: str, settings: CrudSettings) -> None:
    """Which version is where is shown to those who see all of where it can be. Raises DeniedError."""
    promotion = settings.promotion_of_configurations
    if name == APP_CONFIGS and promotion is not None:
        for place in promotion.order:
            asking.require("rows", "view", name, place)


def _record(database: Engine, asking: Caller, name: str, number: int) -> RowMapping:
    """Raises MissingError for one that is not there for them."""
    with reading(database) as connection:
        record = promoting.record(connection, name, number)
    if not all(asking.sees(record[side], name) for side in ("from_environment", "to_environment")):
        raise MissingError(f"there is no promotion {number} of {name}")
    return record


def _answered(dry_run: bool, results: Sequence[promoting.Result], total: int | None) -> PromotedOut:
    items: list[PromotionResult] = []
    for each in results:
        previews: dict[str, Any] = {
            side: answer(made).model_dump() if made is not None else None
            for side, made in (("before", each.before), ("after", each.after))
        }
        items.append(result_out(each, previews))
    return PromotedOut(dry_run=dry_run, items=items, groups=total)
