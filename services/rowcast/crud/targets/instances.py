"""Asks every target's sync instance, through the sidecars; one that doesn't answer is told about, not an error."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rowcast.core.errors import TransientError
from rowcast.core.targets import TargetKind
from rowcast.runtime.dapr import DaprPublisher

TIME_LIMIT = 8.0
"""Longer than an instance waits for its target, shorter than the dashboard waits for crud, in seconds."""

Answer = Mapping[str, Any]


class Instances:
    """The sync instances of all targets."""

    def __init__(self, sidecar: DaprPublisher, kinds: Mapping[str, TargetKind]) -> None:
        """`kinds` by the targets' names."""
        self._sidecar = sidecar
        self._kinds = kinds
        self.targets = tuple(kinds)

    def of_kind(self, kind: TargetKind) -> list[str]:
        """The targets of a kind."""
        return [target for target in self.targets if self._kinds[target] == kind]

    async def ask_all(self, method: str, path: str, body: Any = None) -> list[Answer]:
        """What each answers, in the order of targets; `{target, unavailable}` of one that can't be asked."""
        return list(await asyncio.gather(*(self.ask(target, method, path, body) for target in self.targets)))

    async def call(self, target: str, method: str, path: str, body: Any, expected: Sequence[int]) -> tuple[int, Any]:
        """Status and JSON of one's answer, which is a success or one of `expected`. Raises TransientError."""
        return await self._sidecar.call(f"sync-{target}", method, path, body, expected, TIME_LIMIT)

    async def ask(self, target: str, method: str, path: str, body: Any = None) -> Answer:
        """What one answers; `{target, unavailable}` where it can't be asked."""
        try:
            _, answer = await self.call(target, method, path, body, ())
        except TransientError as error:
            return {"target": target, "unavailable": f"sync-{target} doesn't answer: {error}"}
        return {"unavailable": None, **answer, "target": target}
