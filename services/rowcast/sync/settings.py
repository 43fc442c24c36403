"""Settings of one sync instance: one target, one sidecar, one consumer group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from rowcast.core.reconcile import PRUNE_LIMIT
from rowcast.runtime.settings import Settings


class SyncSettings(Settings):
    """What an instance delivers to, and how it takes its events."""

    target: Literal["k8s", "git"]
    """What this instance delivers to."""
    subscription: Literal["bulk", "single"] = "bulk"
    """Whether the sidecar hands events over in batches or one by one."""
    batch_size: Annotated[int, Field(ge=1, le=5000)] = 1000
    """Most events in one batch."""
    batch_wait_ms: Annotated[int, Field(ge=1, le=10_000)] = 10
    """How long the sidecar gathers a batch, in ms: it is latency."""

    reconcile_seconds: Annotated[float, Field(ge=0)] = 300.0
    """How often the whole table is compared with the target, in seconds; 0 for never."""
    reconcile_prune_limit: Annotated[float, Field(ge=0, le=1)] = PRUNE_LIMIT
    """The largest share of the target's rows that a reconcile removes; beyond it, it refuses and does nothing."""
    drift: Literal["correct", "report"] = "correct"
    """Whether differences that Rowcast finds by itself are put right or only told; asked to reconcile, it does."""

    namespace: str = "rowcast"
    """The namespace of the custom resources (k8s)."""
    kubeconfig: str | None = Field(default=None, validation_alias=AliasChoices("KUBECONFIG", "kubeconfig"))
    """A kubeconfig file; without one, the pod's service account."""
    in_flight: Annotated[int, Field(ge=1, le=256)] = 32
    """Most requests to the API server under way at once."""

    git_url: str | None = Field(default=None, validate_default=True)
    """The repository; required for the target git."""
    git_branch: str = "main"
    """The branch to commit to."""
    git_root: str = "environments"
    """The folder in the repository below which Rowcast's files are."""
    git_cache: Path | None = Field(default=None, validate_default=True)
    """The folder of the local mirror, required for the target git; it belongs to this instance alone."""

    @property
    def topic(self) -> str:
        """The topic of change events, as Debezium names it: prefix, schema and table."""
        return f"{self.topic_prefix}.public.app_configs"

    @field_validator("git_url", "git_cache")
    @classmethod
    def _git_needs_it(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("target") == "git":
            raise ValueError("required when ROWCAST_TARGET=git")
        return value
