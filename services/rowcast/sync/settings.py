"""Settings of one sync instance: one target, one sidecar, one consumer group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from rowcast.runtime.settings import Settings


class SyncSettings(Settings):
    """What an instance delivers to, and how it takes its events."""

    target: Literal["k8s", "git"]
    topic: str = "rowcast.public.app_configs"
    status_topic: str = "rowcast.sync-status"
    dead_letter_topic: str = "rowcast.dead-letters"
    subscription: Literal["bulk", "single"] = "bulk"
    batch_size: Annotated[int, Field(ge=1, le=5000)] = 500
    """Most events in one batch."""
    batch_wait_ms: Annotated[int, Field(ge=1, le=10_000)] = 10
    """How long the sidecar gathers a batch, in ms: it is latency."""

    namespace: str = "rowcast"
    kubeconfig: str | None = Field(default=None, validation_alias=AliasChoices("KUBECONFIG", "kubeconfig"))
    """A kubeconfig file; without one, the pod's service account."""
    in_flight: Annotated[int, Field(ge=1, le=256)] = 32
    """Most requests to the API server under way at once."""

    git_url: str | None = Field(default=None, validate_default=True)
    git_branch: str = "main"
    git_root: str = "environments"
    git_cache: Path | None = Field(default=None, validate_default=True)
    """The folder of the local mirror; it belongs to this instance alone."""

    @field_validator("git_url", "git_cache")
    @classmethod
    def _git_needs_it(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("target") == "git":
            raise ValueError("required when ROWCAST_TARGET=git")
        return value
