"""Promotions over HTTP."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from rowcast.core.promotion import Step, healthy_since
from rowcast.crud import paging
from rowcast.crud.fields import Time
from rowcast.crud.renderers import promotions
from rowcast.crud.renderers.promoting import Outcome, Result
from rowcast.crud.rows.schemas import PromotionRecord

State = Literal["healthy", "unsettled", "failed"]


class PromotionOut(BaseModel):
    """How rows are promoted, as the declaration or the settings say."""

    match: list[str]
    along: str
    order: list[str]
    fields: list[str]
    healthy_seconds: int | None = Field(description="how long what is promoted must be healthy; null: it need not be")
    approval: bool = Field(description="somebody else than who asks has to approve")


class PlaceOut(BaseModel):
    """One place of a group: the row that is there, and whether it can be promoted to."""

    place: str
    key: str | None = Field(description="null where no row is, or several are")
    generation: int | None
    values: dict[str, Any]
    state: State | None = Field(description="at all targets, at its generation")
    since: Time | None = Field(description="since when it is healthy, or delivered where no stage is told")
    changed_by: str | None
    changed_at: Time | None
    from_key: str | None
    from_generation: int | None
    fields: dict[str, tuple[Any, Any]] = Field(description="before and after of what promoting would change")
    allowed: bool
    rule: str | None
    why: str | None = Field(description="why it can't be promoted to")
    wait_seconds: float | None = Field(description="how long it still has to be healthy where it comes from")
    request: int | None = Field(description="the number of a request that waits for an approval")


class GroupOut(BaseModel):
    """Counterparts, by the columns in which they are equal."""

    match: dict[str, str]
    places: list[PlaceOut]


class BoardOut(BaseModel):
    """A part of all groups. Without a `promotion`, `why` says why there is none."""

    promotion: PromotionOut | None
    why: str | None
    items: list[GroupOut]
    next_cursor: str | None
    total: int


class PromotionResult(BaseModel):
    """What became of one promotion, or would."""

    outcome: Outcome
    from_key: str
    from_generation: int
    to_key: str
    to_generation: int
    from_place: str | None
    to_place: str | None
    fields: dict[str, tuple[Any, Any]]
    rule: str | None
    why: str | None
    wait_seconds: float | None
    generation: int | None = Field(description="of the row that was promoted")
    record: int | None = Field(description="the number of the promotion, or of the request")
    before: dict[str, Any] | None = Field(description="what the row becomes as it is, as a preview has it")
    after: dict[str, Any] | None


class PromotedOut(BaseModel):
    """What promoting did, or would do; `groups` counts those that differ."""

    dry_run: bool
    items: list[PromotionResult]
    groups: int | None


class PromotionRecords(BaseModel):
    """Promotions and requests, newest first."""

    items: list[PromotionRecord]
    next_cursor: str | None


def board_out(of: promotions.Ground, board: promotions.Board) -> BoardOut:
    """The board as JSON."""
    following = board.next_cursor
    return BoardOut(
        promotion=None if of.promotion is None else PromotionOut.model_validate(of.promotion, from_attributes=True),
        why=of.why,
        items=[
            GroupOut(match=dict(group.match), places=[_place(group, step) for step in group.steps])
            for group in board.groups
        ],
        next_cursor=paging.encode(following) if following else None,
        total=board.total,
    )


def _place(group: promotions.Group, step: Step) -> PlaceOut:
    row, source = step.row, step.source
    change = group.changes[row.key] if row is not None else None
    since, rule, _ = healthy_since(row.reports) if row is not None else (None, None, None)
    state: State | None = None
    if row is not None:
        state = "failed" if rule == "failed" else "unsettled" if since is None else "healthy"
    return PlaceOut(
        place=step.place,
        key=row.key if row else None,
        generation=row.generation if row else None,
        values=dict(row.values) if row else {},
        state=state,
        since=since,
        changed_by=change["actor"] if change else None,
        changed_at=change["changed_at"] if change else None,
        from_key=source.key if source else None,
        from_generation=source.generation if source else None,
        fields=dict(step.fields),
        allowed=step.allowed,
        rule=step.rule,
        why=step.why,
        wait_seconds=step.wait_seconds,
        request=group.awaiting.get(row.key) if row else None,
    )


def result_out(result: Result, previews: Mapping[str, Any]) -> PromotionResult:
    """One result as JSON."""
    step = result.step
    return PromotionResult(
        outcome=result.outcome,
        from_key=result.wanted.from_key,
        from_generation=result.wanted.from_generation,
        to_key=result.wanted.to_key,
        to_generation=result.wanted.to_generation,
        from_place=step.source.place if step and step.source else None,
        to_place=step.place if step else None,
        fields=dict(step.fields) if step else {},
        rule=result.rule,
        why=result.why,
        wait_seconds=result.wait_seconds,
        generation=result.generation,
        record=result.record,
        **previews,
    )
