"""What the targets say of a configuration and of their reconciles, as it goes in and out over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from rowcast.crud.fields import Strict

_UNAVAILABLE = "why this target can't be asked now; everything else is null then"


class Refusal(BaseModel):
    """Why a target would not take it: a stable word, and the target's own words."""

    reason: str
    message: str


class TargetPreview(BaseModel):
    """What saving would make at one target."""

    target: str
    place: str | None = Field(default=None, examples=["appconfigs/checkout"])
    change: Literal["create", "update", "none"] | None = None
    manifest: str | None = Field(default=None, description="YAML, as the target itself would have it")
    live: str | None = Field(default=None, description="YAML of what is there of the row, wherever it is")
    diff: str | None = Field(default=None, description="unified, from live to manifest; empty where nothing differs")
    error: Refusal | None = None
    unavailable: str | None = Field(default=None, description=_UNAVAILABLE)


class PreviewOut(BaseModel):
    """What saving would make, at each target, and the generation that it would make."""

    generation: int
    targets: list[TargetPreview]


class TargetLive(BaseModel):
    """What is at one target of a row; `live` is null where nothing is."""

    target: str
    place: str | None = None
    live: str | None = None
    reference: str | None = Field(default=None, description="resourceVersion, or the commit's sha")
    unavailable: str | None = Field(default=None, description=_UNAVAILABLE)


class LiveOut(BaseModel):
    """What is at each target."""

    targets: list[TargetLive]


class ReconcileIn(Strict):
    """`prune_limit` is the share of the inventory that may go, null for the setting; 1 lets everything go."""

    dry_run: bool = False
    prune_limit: Annotated[float | None, Field(ge=0, le=1, strict=False)] = None


class TargetReconciles(BaseModel):
    """The reconcile that is running at one target, and the last one that ended."""

    target: str
    current: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    period_seconds: float | None = None
    drift: str | None = None
    prune_limit: float | None = None
    unavailable: str | None = Field(default=None, description=_UNAVAILABLE)


class ReconcilesOut(BaseModel):
    """How it is at each target."""

    targets: list[TargetReconciles]
