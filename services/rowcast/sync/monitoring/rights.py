"""What the target is not allowed of what the newest declarations need: known before a row needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from rowcast.core.errors import TransientError
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.positions import ProblemsError
from rowcast.runtime.logging import get_logger
from rowcast.sync.monitoring.facts import utc_now
from rowcast.sync.rendering import Revision

LOOK_SECONDS = 10.0
"""How often it is looked whether there are other declarations, or other rights."""


class Declarations(Protocol):
    """Where declarations are. Both raise TransientError."""

    async def renderers(self) -> Sequence[tuple[str, int]]:
        """Names and their newest revisions."""
        ...

    async def revision(self, name: str, number: int) -> Revision:
        """One of a renderer's."""
        ...


class Allowed(Protocol):
    """The target, as far as rights go."""

    async def lacking(self, renderers: Sequence[Renderer]) -> Sequence[Need]:
        """What isn't allowed. Raises TransientError."""
        ...


class Rights:
    """Looks at the start, when a revision comes, and now and then. What was found last holds until the next answer."""

    def __init__(self, declarations: Declarations, target: Allowed, clock: Callable[[], datetime] = utc_now) -> None:
        self._declarations = declarations
        self._target = target
        self._clock = clock
        self._known: dict[tuple[str, int], Renderer | None] = {}
        self._news = asyncio.Event()
        self._lacking: Sequence[Need] = ()
        self._asked_at: datetime | None = None
        self._log = get_logger("rowcast.rights")

    def notice(self) -> None:
        """There is a revision that was not known."""
        self._news.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._news.clear()
            try:
                await self.look()
            except TransientError as error:
                self._log.info("rights could not be asked", error=str(error))
            except Exception:
                self._log.exception("rights could not be asked")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)

    async def look(self) -> None:
        """Ask once. Raises TransientError."""
        newest = await self._declarations.renderers()
        known = {key: self._known[key] if key in self._known else await self._read(*key) for key in newest}
        self._known = known
        before = self._lacking
        self._lacking = await self._target.lacking([one for one in known.values() if one is not None])
        self._asked_at = self._clock()
        if self._lacking and self._lacking != before:
            self._log.warning("rights are missing", lacking=self.as_json())

    async def _read(self, name: str, number: int) -> Renderer | None:
        revision = await self._declarations.revision(name, number)
        try:
            return read_renderer(revision.text)
        except ProblemsError:
            return None  # each of its rows says so

    def as_json(self) -> dict[str, Any]:
        """As facts have it."""
        return {
            "asked_at": self._asked_at.isoformat(timespec="microseconds") if self._asked_at else None,
            "missing": [
                {
                    "kind": one.kind,
                    "resource": f"{one.resource}.{one.group}".removesuffix(".") if one.resource else None,
                    "verbs": list(one.verbs) if one.resource else [],
                    "renderers": list(one.renderers),
                    "place": one.place or None,
                }
                for one in self._lacking
            ],
        }
