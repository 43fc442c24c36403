"""What the dashboard knows of a declaration's impact, and the port through which it asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from renderers.models import Problem

Action = Literal["moved", "removed", "retained", "made", "row", "changed"]


@dataclass(frozen=True)
class Example:
    """One row of a group; `values` has its `before` and its `after`, as far as there are such."""

    key: str
    object: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RefusedManifest:
    """What the API server says to a manifest of a row, or to all of the row where `manifest` is empty."""

    key: str
    manifest: str
    message: str


@dataclass(frozen=True)
class DryRun:
    """The API server's dry run of some rows of a group: of how many, and what it refuses."""

    asked: int
    refused: tuple[RefusedManifest, ...] = ()


@dataclass(frozen=True)
class Group:
    """Changes of one shape.

    `before` and `after` are `{"value": …}` where all rows have the same one, `{"varies": True}` where not, None where
    there is none.
    """

    action: Action
    kind: str
    manifest: str
    path: str
    change: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    rows: int
    objects: int
    examples: tuple[Example, ...] = ()
    dry_run: DryRun | None = None


@dataclass(frozen=True)
class Unrendered:
    """Rows that can't be rendered, for one reason; `before` of them can't be today, either. `examples` are keys."""

    problem: Problem
    rows: int
    before: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Collision:
    """Rows that want one object."""

    object: str
    environment: str | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A manifest that is treated in another way."""

    manifest: str
    setting: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Impact:
    """What was seen in one snapshot; the `token` names it. `objects` counts them by what becomes of them.

    `dry_run_unavailable`: why the API server wasn't asked about rows, where it was to be.
    """

    renderer: str
    revision: int | None
    captured_anew: bool
    token: str
    rows: int
    changed_rows: int
    failed_rows: int
    recovered_rows: int
    objects: Mapping[str, int]
    groups: tuple[Group, ...] = ()
    more_changes: int = 0
    settings: tuple[Setting, ...] = ()
    errors: tuple[Unrendered, ...] = ()
    more_errors: int = 0
    collisions: tuple[Collision, ...] = ()
    more_collisions: int = 0
    collisions_looked_for_among: int = 0
    dry_run_unavailable: str | None = None


@dataclass(frozen=True)
class Answer:
    """The impact and the same as Markdown, which crud may not have; or what is wrong with the declaration."""

    impact: Impact | None
    problems: tuple[Problem, ...] = ()
    markdown: str = ""


class Impacts(Protocol):
    """Looks at all rows. Every call may raise UnavailableError or RefusedError."""

    def impact(
        self, name: str, *, text: str | None = None, revision: int | None = None, dry_run: bool = False
    ) -> Answer:
        """Return what the declaration `text`, or a stored revision, would do to all rows. Changes nothing.

        With `dry_run`, the API server is asked about some rows of each group.
        """
        ...
