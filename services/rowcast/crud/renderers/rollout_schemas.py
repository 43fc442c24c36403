"""Roll-outs over HTTP, and as the commands print them."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping

from rowcast.core.rollout import State, StepState
from rowcast.crud.fields import MAX_ID, Strict, Time
from rowcast.crud.renderers.rollout_progress import RowState

MAX_STEPS = 50
MAX_SECONDS = 30 * 24 * 3600
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS)]
Failures = Annotated[int, Field(ge=0, le=2**31 - 1)]


class StepIn(Strict):
    """One of `rows`, `share` and `filter`. A number and a share say how many rows have the revision at its end."""

    rows: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    share: Annotated[float, Field(gt=0, le=100, description="percent of all rows")] | None = None
    filter: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None, description="CEL over `row`, `name` and `environment`", examples=["environment == 'staging'"]
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(each is not None for each in (self.rows, self.share, self.filter)) != 1:
            raise PydanticCustomError("step", "must have one of rows, share and filter")
        return self


class RolloutIn(Strict):
    """What to roll out, and how."""

    revision: Annotated[int, Field(ge=1, le=MAX_ID)]
    steps: Annotated[list[StepIn], Field(max_length=MAX_STEPS)] = Field(default_factory=list)
    hold_seconds: Seconds = Field(default=0, description="how long each step's rows have to do well")
    failure_limit: Failures = Field(default=0, description="how many rows may fail, in all; more stop it")
    ready_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)] | None = Field(
        default=None, description="after how long a row that is delivered and not ready has failed; null: never"
    )
    token: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="an impact's")
    changed_limit: Failures | None = Field(default=None, description="how many rows may have changed since that")


class ResumeIn(Strict):
    """`failure_limit` takes the place of the one that it has."""

    failure_limit: Failures | None = None


class StepOut(BaseModel):
    """A step and how far it is. `total` is null while it isn't known how many rows it is of."""

    rows: int | None
    share: float | None
    filter: str | None
    state: StepState
    total: int | None
    assigned: int = Field(description="rows that have the revision by this step")
    delivered: int = Field(description="of these, those that are at all targets")
    ready: int = Field(description="of these, those that do well there")
    failed: int
    since: Time | None = Field(description="when its state began")


class RolloutOut(BaseModel):
    """A roll-out and how far it is. `why` says why it has stopped, or is paused."""

    id: int
    renderer: str
    revision: int
    from_revisions: list[int]
    state: State
    why: str | None
    started_by: str
    started_at: Time
    changed_at: Time = Field(description="when it was last in another state")
    hold_seconds: int
    ready_seconds: int | None
    failure_limit: int
    steps: list[StepOut]
    impact_token: str | None
    approved_by: str | None = Field(description="who has let it begin, where the policy wants that of another person")
    changed_since: int | None = Field(description="rows that had changed since that impact when it began")


class Rollouts(BaseModel):
    """A part of a list, newest first."""

    items: list[RolloutOut]
    next_cursor: str | None


class RolloutRow(BaseModel):
    """A row that has been given the revision; `step` counts from 0."""

    key: str
    name: str | None
    environment: str | None
    step: int
    generation: int
    state: RowState
    message: str | None = Field(description="the words of `target`, or of the object there")
    target: str | None


class RolloutRows(BaseModel):
    """A part of a list, by their keys."""

    items: list[RolloutRow]
    next_cursor: str | None


def rollout_out(kept: RowMapping) -> RolloutOut:
    """As it is shown."""
    found: dict[str, Any] = dict(kept)
    return RolloutOut.model_validate(found)
