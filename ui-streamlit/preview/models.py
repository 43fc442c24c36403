"""What a configuration would become and what it is at each target, and the port through which the dashboard asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from configurations.models import Draft

Change = Literal["create", "update", "delete", "none"]


@dataclass(frozen=True)
class TargetPreview:
    """What saving would do at one target.

    `diff` leads from `live` to `manifest`. `reason` and `refusal` are the target's own words if it would refuse;
    `unavailable` says why it can't be asked now, and then the rest is empty.
    """

    target: str
    manifest: str = ""
    live: str | None = None
    diff: str = ""
    change: Change = "none"
    place: str = ""
    reason: str = ""
    refusal: str = ""
    unavailable: str = ""


@dataclass(frozen=True)
class Preview:
    """What saving would do at every target, and which generation it would make."""

    generation: int
    targets: tuple[TargetPreview, ...]


@dataclass(frozen=True)
class Live:
    """What is at one target now: `text` is None where there is nothing, `reference` a resource version or commit."""

    target: str
    place: str = ""
    text: str | None = None
    reference: str | None = None
    unavailable: str = ""


class Previews(Protocol):
    """What the targets say. Every call may raise UnavailableError or RefusedError."""

    def preview(self, row_id: int | None, draft: Draft, person: str | None = None) -> Preview:
        """Return what saving `draft` would do, to a new row if `row_id` is None. Changes nothing.

        `person`: in whose name it would be, where that is another one's.
        """
        ...

    def live(self, row_id: int) -> tuple[Live, ...]:
        """Return what each target has of a row now."""
        ...
