"""Proposals over HTTP."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from rowcast.crud.fields import Time
from rowcast.crud.proposals.records import State


class ProposedChange(BaseModel):
    """What becomes of one row. `key` and `generation` are null for one that is created."""

    renderer: str
    key: str | None
    name: str | None
    op: Literal["create", "update", "delete"]
    generation: int | None = Field(description="that was seen; another one makes the proposal stale")
    environments: list[str]
    fields: dict[str, tuple[Any, Any]] = Field(
        description="before and after; empty for a row of another renderer, which changes with it"
    )


class ProposalOut(BaseModel):
    """A change that another person has to approve, all of it or nothing."""

    id: int
    renderer: str
    state: State
    operation: str = Field(description="which operation of the API was asked for")
    environments: list[str]
    comment: str | None
    asked_by: str
    asked_by_verified: bool
    asked_at: Time
    authors: list[str] = Field(description="all that those go by who have written it; none of them approves")
    replaces: int | None = Field(description="the proposal that it renews")
    decided_by: str | None
    decided_by_verified: bool | None
    decided_at: Time | None
    why: str | None = Field(description="why it was rejected, or is stale")
    changes: list[ProposedChange]
    outdated: list[str] = Field(default=[], description="what has changed of its rows since they were seen")


class ProposalPage(BaseModel):
    """A part of a list, newest first. `total` counts the whole list."""

    items: list[ProposalOut]
    next_cursor: str | None
    total: int


def proposal_out(proposal: RowMapping, outdated: Sequence[str] = ()) -> ProposalOut:
    """One as JSON."""
    changes = [{**each, "environments": _known(each["environments"])} for each in proposal["changes"]]
    told = {"changes": changes, "environments": _known(proposal["environments"]), "outdated": list(outdated)}
    return ProposalOut.model_validate({**proposal, **told})


def _known(environments: Sequence[str | None]) -> list[str]:
    return [each for each in environments if each is not None]
