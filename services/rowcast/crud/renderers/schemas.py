"""Renderers and their rows over HTTP."""

from typing import Any

from pydantic import BaseModel, Field

from rowcast.core.rollout import State
from rowcast.crud.fields import Time
from rowcast.crud.rows.schemas import PromotionRecord, ProposalRecord, TargetStatus


class RevisionListed(BaseModel):
    """One revision of a renderer: its declaration as it was applied, which never changes."""

    name: str
    revision: int
    sha256: str = Field(description="of the declaration's text")
    applied_by: str
    applied_at: Time


class RolloutUnderWay(BaseModel):
    """A renderer's roll-out that has not ended, and how far it is."""

    id: int
    state: State
    step: int = Field(description="which one is under way, from 0")
    steps: int = Field(description="how many it has")


class RendererState(RevisionListed):
    """A renderer at the revision that new rows are of: the newest, unless one is only kept or was rolled back."""

    newest: int = Field(description="the newest revision, which may be only kept, or rolled back")
    rows: int | None = Field(description="how many rows its source has, as captured; null while it isn't known")
    fault: str | None = Field(description="why its source can't be captured any more: its rows stay as they are")
    fault_at: Time | None
    deleted: bool = Field(description="nothing is captured any more; applied again, it goes on from its revisions")
    rollout: RolloutUnderWay | None = Field(description="the one that is under way, or stopped or paused on its way")


class RendererListed(RendererState):
    """The same with what became of its rows over all targets, as they were counted at `counted_at`.

    Where counting takes long, that was a while ago.
    """

    pending: int | None = Field(description="rows that some target hasn't delivered yet and none has refused")
    failed: int | None = Field(description="rows that some target has refused")
    counted_at: Time | None


class RendererOut(RendererListed):
    """One of them, with its declaration."""

    text: str


class RevisionOut(RevisionListed):
    """One revision, whole."""

    text: str
    shape: dict[str, Any] = Field(description="the columns that its expressions were checked against")


class Renderers(BaseModel):
    """All of them, by name."""

    items: list[RendererListed]


class RendererRevisions(BaseModel):
    """A renderer's revisions, newest first."""

    items: list[RevisionListed]


class ColumnReference(BaseModel):
    """What a foreign key of one column refers to."""

    table: str = Field(examples=["public.regions"])
    column: str


class ColumnOut(BaseModel):
    """A column of a renderer's table, as PostgreSQL's catalogue has it."""

    name: str
    type: str = Field(description="as SQL writes it; of a domain, what it rests on", examples=["numeric(10,2)"])
    nullable: bool
    has_default: bool
    generated: bool = Field(description="nobody writes it but the database")
    key: bool = Field(description="one of those that name a row")
    values: list[str] | None = Field(description="an enum's, in their order")
    references: ColumnReference | None


class Columns(BaseModel):
    """The columns that a renderer's rows have, without excluded ones; empty where the table is gone."""

    editable: bool = Field(description="whether rows can be created, changed and deleted here")
    why: str | None = Field(description="why not: the declaration doesn't say so, or the GRANT that is missing")
    columns: list[ColumnOut]


class Choice(BaseModel):
    """One value that a foreign key may have, as text; `label` is what people know its row by, if there is anything."""

    value: str
    label: str | None


class ChoicesOut(BaseModel):
    """A page of them, in the order of values as text; `after` the last one the list goes on, if there are `more`."""

    items: list[Choice]
    more: bool
    why: str | None = Field(description="why there are none: the GRANT that is missing")


class RowOut(BaseModel):
    """A row of a renderer's table as it was captured, and what became of it, by target."""

    renderer: str
    key: str
    environment: str | None = Field(description="where it goes; null where its declaration gives none for it")
    generation: int
    revision: int = Field(description="of the renderer, by which it is rendered")
    deleted: bool
    row: dict[str, Any]
    actor: str | None
    actor_verified: bool
    changed_at: Time
    targets: dict[str, TargetStatus]


class RowsOut(BaseModel):
    """The rows as they are now, in the order of a batch's operations; null for a deleted one."""

    items: list[RowOut | None]


class RowGeneration(BaseModel):
    """What a row was from a change on. `row` of a deletion is what it was last."""

    generation: int
    revision: int
    deleted: bool
    row: dict[str, Any]
    actor: str | None
    actor_verified: bool
    changed_at: Time
    promotion: PromotionRecord | None = Field(default=None, description="the promotion that this change was")
    proposal: ProposalRecord | None = Field(default=None, description="the proposal that was approved by it")


class RowHistory(BaseModel):
    """A row's generations, newest first: the last hundred are kept."""

    items: list[RowGeneration]
    next_cursor: str | None


class RowPage(BaseModel):
    """A part of a list. `next_cursor` continues it; `total` counts the whole list, up to 10,000; `total_capped`: there
    are more.
    """

    items: list[RowOut]
    next_cursor: str | None
    total: int
    total_capped: bool
