"""Rights that a target needs for declarations and has, or hasn't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from rowcast.core.renderer import Renderer


@dataclass(frozen=True, slots=True)
class Account:
    """Who acts at an API server, as its authorizers see it."""

    user: str
    groups: tuple[str, ...] = ("system:authenticated",)

    @classmethod
    def of_service(cls, namespace: str, name: str) -> Account:
        """A service account (Kubernetes, "Authenticating", service account tokens)."""
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return cls(f"system:serviceaccount:{namespace}:{name}", groups)


@dataclass(frozen=True, slots=True)
class Need:
    """What declarations need of one kind: `verbs` on a `resource` of a `group`, in all namespaces.

    `kind` is as `allow` has it; `resource` is empty where the target doesn't know the kind, and nothing can be asked.
    `place`: which of several targets, or empty.
    """

    kind: str
    group: str
    resource: str
    verbs: tuple[str, ...]
    renderers: tuple[str, ...]
    place: str = ""

    def __str__(self) -> str:
        """What is lacking, after the name of who lacks it."""
        if not self.resource:
            return f"finds no kind {self.kind} ({', '.join(self.renderers)})"
        resource = f"{self.resource}.{self.group}".removesuffix(".")
        return f"may not {', '.join(self.verbs)} {resource} ({', '.join(self.renderers)})"

    def lacking(self, verbs: Sequence[str]) -> Need:
        """The same with only these verbs."""
        return replace(self, verbs=tuple(verbs))


@runtime_checkable
class Permitting(Protocol):
    """A target that needs rights by kind."""

    async def lacking(self, renderers: Sequence[Renderer]) -> Sequence[Need]:
        """Of what the declarations need, what isn't allowed, and kinds that there are not. Raises TransientError."""
        ...
