"""What crud says of who asks and what they may do, and the port through which the dashboard gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

EDIT, DELETE, OPERATE, APPROVE_ROWS = (f"rows/{verb}" for verb in ("edit", "delete", "operate", "approve"))
START_ROLLOUT, OPERATE_ROLLOUT = "rollouts/start", "rollouts/operate"
PROMOTE, APPROVE = "promotions/promote", "promotions/approve"
IMPACT, RECONCILE = "renderers/impact", "reconciles/start"
SEE_PIPELINE, SEE_AUDIT = "pipeline/view", "audit/view"
"""What is done with what, as the policy calls it: `resource/verb`."""
Extent = Literal["all", "some", "none"]
"""With everything of a renderer, with what is in some environments, or with nothing."""


@dataclass(frozen=True)
class Mine:
    """Whom crud takes somebody for, and what they may do. Unless it is `enforced`, no policy decides.

    `way` is how crud knows them: `dashboard` by its word or their token, `sidecar` where it is not believed about
    persons. `renderers` has the extent of each `resource/verb` by renderer; `targets` what may be done with each;
    `other` what has neither. `proposes` has the patterns of environments where a change is a proposal, by renderer.
    `rules` are the policy's lines about them.
    """

    subject: str
    way: str
    enforced: bool
    issuer: str | None = None
    names: tuple[str, ...] = ()
    renderers: Mapping[str, Mapping[str, Extent]] = field(default_factory=dict)
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other: frozenset[str] = frozenset()
    proposes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: tuple[str, ...] = ()


class Accesses(Protocol):
    """What one may do. Every call may raise UnavailableError or RefusedError."""

    def my_access(self, token: str = "") -> Mine:
        """Return who asks and what they may do; by their own `token` if there is one, else by the dashboard's word."""
        ...

    def why_not(self, act: str, renderer: str, environment: str) -> str | None:
        """Return why the policy refuses `resource/verb`, None if it allows it; what is empty means all there are."""
        ...
