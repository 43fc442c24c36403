"""Which targets there are: what crud, capture and the broker are told alike."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from rowcast.core.targets import TargetKind, read_target
from rowcast.runtime.settings import Settings


def _kinds(value: object) -> object:
    """By name, in the order in which they are named. Raises ValueError."""
    if isinstance(value, Mapping):
        return value
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, Sequence):
        raise ValueError("must be names, comma-separated")
    read = [read_target(text) for text in texts if text.strip()]
    twice = next((name for at, (name, _) in enumerate(read) if name in dict(read[:at])), None)
    if twice is not None:
        raise ValueError(f"{twice} is named twice")
    return dict(read)


class KnownTargets(BaseSettings):
    """The targets; a service's own settings add these."""

    model_config = Settings.model_config

    target_kinds: Annotated[dict[str, TargetKind], NoDecode, BeforeValidator(_kinds)] = Field(
        default={"k8s": "k8s", "git": "git"}, validation_alias=AliasChoices("ROWCAST_TARGETS")
    )
    """The targets that rows are delivered to, each with an instance of sync, comma-separated. One that isn't called as
    its kind is has the kind behind it: `k8s-eu=k8s,k8s-us=k8s,git`."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.target_kinds)
