"""Renderers and their rows over HTTP."""

from typing import Any

from pydantic import BaseModel, Field

from rowcast.crud.fields import Time
from rowcast.crud.rows.schemas import TargetStatus


class RevisionListed(BaseModel):
    """One revision of a renderer: its declaration as it was applied, which never changes."""

    name: str
    revision: int
    sha256: str = Field(description="of the declaration's text")
    applied_by: str
    applied_at: Time


class RendererListed(RevisionListed):
    """A renderer at its newest revision."""

    rows: int = Field(description="how many rows its source has, as captured")
    fault: str | None = Field(description="why its source can't be captured any more: its rows stay as they are")
    fault_at: Time | None
    deleted: bool = Field(description="nothing is captured any more; applied again, it goes on from its revisions")


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


class RowOut(BaseModel):
    """A row of a renderer's table as it was captured, and what became of it, by target."""

    renderer: str
    key: str
    generation: int
    revision: int = Field(description="of the renderer, by which it is rendered")
    deleted: bool
    row: dict[str, Any]
    actor: str | None
    actor_verified: bool
    changed_at: Time
    targets: dict[str, TargetStatus]


class RowPage(BaseModel):
    """A part of a list, in the order of keys. `next_cursor` continues it; `total` counts the whole list."""

    items: list[RowOut]
    next_cursor: str | None
    total: int
