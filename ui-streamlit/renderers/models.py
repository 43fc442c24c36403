"""What the dashboard knows of a renderer, and the port through which it gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from rollouts.models import RolloutState


@dataclass(frozen=True)
class Revision:
    """One revision of a renderer; what it says never changes. `applied_by` is a login of the database."""

    name: str
    revision: int
    applied_by: str
    applied_at: datetime


@dataclass(frozen=True)
class UnderWay:
    """A renderer's roll-out that has not ended; `step` counts from 0."""

    id: int
    state: RolloutState
    step: int
    steps: int


@dataclass(frozen=True)
class Renderer(Revision):
    """A renderer at the revision that new rows are of.

    `text` is its declaration (YAML); in lists it is empty. `fault` says why its table can't be captured any more.
    `rows`, `failed` and `pending` are None where crud doesn't tell.
    """

    rows: int | None = None
    fault: str | None = None
    fault_at: datetime | None = None
    failed: int | None = None
    pending: int | None = None
    rollout: UnderWay | None = None
    text: str = ""


@dataclass(frozen=True)
class Manifest:
    """One resource that a row becomes; `id` is the manifest's in the declaration."""

    id: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """What is wrong at a `path` of a declaration or of a row; line and column are in the declaration, from 1."""

    path: str
    expression: str
    message: str
    line: int | None = None
    column: int | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.path}, line {self.line}, column {self.column}" if self.line and self.column else self.path


@dataclass(frozen=True)
class Rendered:
    """What a row becomes by a declaration: nothing but `problems`, if there are any."""

    manifests: tuple[Manifest, ...]
    name: str = ""
    environment: str = ""
    problems: tuple[Problem, ...] = ()


class Renderers(Protocol):
    """The declarations. Every call may raise UnavailableError or RefusedError."""

    def renderers(self) -> tuple[Renderer, ...]:
        """Return all of them, by name, without their texts."""
        ...

    def renderer(self, name: str) -> Renderer:
        """Return one, or raise MissingError."""
        ...

    def revisions(self, name: str) -> tuple[Revision, ...]:
        """Return its revisions, newest first."""
        ...

    def revision_text(self, name: str, revision: int) -> str:
        """Return the declaration of one revision."""
        ...

    def render(
        self, name: str, key: str | None, *, values: Mapping[str, Any] | None = None, text: str | None = None
    ) -> Rendered:
        """Return what a row becomes. Changes nothing.

        `values` take the place of the row's, or are all of it where `key` is None, and `text` takes the place of the
        renderer's declaration.
        """
        ...
