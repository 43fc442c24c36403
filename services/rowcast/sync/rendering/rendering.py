"""Renders rows by the revisions that they carry, each fetched once and kept: a revision never changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.events import Change, TableRow
from rowcast.core.render import (
    ON_DELETE,
    RETAIN,
    AppConfigRenderer,
    Desired,
    Manifest,
    ResourceType,
    desired_of,
    marks_of,
    render,
)
from rowcast.core.renderer import ExpressionError, RenderedManifest, Renderer
from rowcast.core.renderer import Manifest as Declared
from rowcast.core.shapes import RowShape
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.positions import ProblemsError
from rowcast.renderers.rendering import DEFAULT_ENVIRONMENT
from rowcast.renderers.rendering import render as render_row
from rowcast.runtime.logging import get_logger

KEPT = 200
"""Revisions at hand: the rows of a renderer are of one or two, and of several only while one is rolled out."""
EXPRESSION = "expression"
Key = tuple[str, int]
"""A renderer's name and the number of its revision."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A declaration as it was applied, and the columns that its expressions were checked against."""

    text: str
    shape: RowShape


class Revisions(Protocol):
    """Where revisions are."""

    async def revision(self, name: str, number: int) -> Revision:
        """One of a renderer's. Raises TransientError, also for one that isn't there: rows have it, so it will be."""
        ...


class NoRevisions:
    """Where there is nothing but the built-in renderer."""

    async def revision(self, name: str, number: int) -> Revision:
        """Raises TransientError."""
        raise TransientError(f"renderer {name}: revision {number} is not to be had")


@dataclass(frozen=True, slots=True)
class _Compiled:
    renderer: Renderer
    language: Language
    declared: Mapping[str, Declared]


class Rendering:
    """What changes ask for. Whatever is wrong with a row is in its `Desired`; nothing is raised.

    `on_revision` is called for each revision that was not known.
    """

    def __init__(self, revisions: Revisions | None = None) -> None:
        self._revisions = NoRevisions() if revisions is None else revisions
        self.on_revision: Callable[[], None] = lambda: None
        self._compiled: OrderedDict[Key, _Compiled | RowcastError] = OrderedDict()
        self._tried: tuple[Revision, _Compiled | RowcastError] | None = None
        self._log = get_logger("rowcast.rendering")

    async def desired(self, changes: Iterable[Change]) -> list[Desired]:
        """Render changes, in their order. A revision that can't be had is asked for once."""
        missed: dict[Key, RowcastError] = {}
        return [await self._desired(change, missed) for change in changes]

    async def one(self, change: Change) -> Desired:
        """Render one change."""
        return await self._desired(change, {})

    def tried(self, change: Change, revision: Revision) -> tuple[Desired, Sequence[str]]:
        """What a change asks for by a revision that isn't its own and need not be applied, with the manifests' ids.

        What is wrong is in the `Desired`.
        """
        state = change.state
        if not isinstance(state, TableRow):
            refusal = PermanentError(EXPRESSION, "a configuration has no declaration")
            return desired_of(change, name=state.name, environment="", refusal=refusal), ()
        if self._tried is None or self._tried[0] != revision:
            self._tried = (revision, _compile((state.row.renderer, state.revision), revision))
        compiled = self._tried[1]
        if isinstance(compiled, RowcastError):
            return desired_of(change, name=state.name, environment="", refusal=compiled), ()
        desired = _rendered(change, state, compiled)
        if desired.refusal is not None:
            return desired, ()
        return desired, [one.id for one in render_row(compiled.renderer, compiled.language, state.values).manifests]

    async def _desired(self, change: Change, missed: dict[Key, RowcastError]) -> Desired:
        state = change.state
        if not isinstance(state, TableRow):
            return render(change)
        if change.deleted or change.missing:
            return desired_of(change, name=state.name, environment="")
        key = (state.row.renderer, state.revision)
        found = missed.get(key) or await self._load(key)
        if isinstance(found, RowcastError):
            if isinstance(found, TransientError):
                missed[key] = found
            return desired_of(change, name=state.name, environment="", refusal=found)
        try:
            return _rendered(change, state, found)
        except Exception as error:
            # A bug of ours, or of the language: the row waits, keeps what it has, and keeps no other from its turn.
            self._log.exception("rendering failed", row=str(change.row))
            bug = TransientError(f"renderer {key[0]}, revision {key[1]}: unexpected error: {error!r}")
            return desired_of(change, name=state.name, environment="", refusal=bug)

    async def _load(self, key: Key) -> _Compiled | RowcastError:
        found = self._compiled.get(key)
        if found is not None:
            self._compiled.move_to_end(key)
            return found
        try:
            revision = await self._revisions.revision(*key)
        except TransientError as error:
            return error
        found = _compile(key, revision)
        self._compiled[key] = found
        self.on_revision()
        while len(self._compiled) > KEPT:
            self._compiled.popitem(last=False)
        return found


def _compile(key: Key, revision: Revision) -> _Compiled | RowcastError:
    try:
        renderer = read_renderer(revision.text, revision.shape)
    except ProblemsError as error:
        # It was checked when it was applied: by another version of the language, then.
        return PermanentError(EXPRESSION, f"renderer {key[0]}, revision {key[1]}: {error}")
    return _Compiled(renderer, Language(revision.shape), {one.id: one for one in renderer.manifests})


def _rendered(change: Change, state: TableRow, compiled: _Compiled) -> Desired:
    try:
        found = render_row(compiled.renderer, compiled.language, state.values)
        manifests = tuple(_manifest(one, compiled.declared[one.id], *marks_of(change)) for one in found.manifests)
    except ExpressionError as error:
        where = f"renderer {state.row.renderer}, revision {state.revision}: {error}"
        return desired_of(change, name=state.name, environment="", refusal=PermanentError(EXPRESSION, where))
    return desired_of(
        change, name=found.name, environment=found.environment or DEFAULT_ENVIRONMENT, manifests=manifests
    )


def _manifest(
    rendered: RenderedManifest, declared: Declared, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Manifest:
    """As rendered, with our marks among its labels and annotations: nobody else can set these."""
    content = rendered.content
    metadata: dict[str, Any] = dict(content["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    if declared.delete == RETAIN:
        metadata["annotations"][ON_DELETE] = RETAIN
    group, slash, version = str(content["apiVersion"]).rpartition("/")
    resource = ResourceType(group if slash else "", version, "", str(content["kind"]))
    ours = AppConfigRenderer.resource
    if (resource.group, resource.kind) == (ours.group, ours.kind):
        resource = ours  # the same places, whoever has made what is there
    body = {**content, "metadata": metadata}
    return Manifest(
        resource,
        metadata["name"],
        body,
        create=declared.create,
        delete=declared.delete,
        conflict=declared.conflict,
        ignore=declared.ignore,
        ready=declared.ready or "",
    )
