"""Dead letters as crud has them: whether one has come, and which replays have not come here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence, Set
from typing import Any, Protocol
from urllib.parse import urlencode

from rowcast.core.errors import TransientError
from rowcast.runtime.logging import get_logger
from rowcast.sync.batch import Entry

CRUD = "crud"
IDS_AT_ONCE = 50
"""Message ids of one request: with them its line is under the 4 KiB that sidecars take."""
ANSWERS_AT_ONCE = 1000
UNANSWERED_SECONDS = 10.0
"""How long a replay may be on its way, before it is taken from the table."""


class Invoking(Protocol):
    """Asks other applications."""

    async def call(self, app_id: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer. Raises TransientError for any but a success."""
        ...


class Letters:
    """A target's dead letters, asked of crud over the sidecars. Every method raises TransientError."""

    def __init__(self, sidecar: Invoking, target: str) -> None:
        self._sidecar = sidecar
        self._target = target

    async def arrived(self, message_ids: Collection[str]) -> Set[str]:
        """Those of these messages that crud has."""
        ids = sorted(message_ids)
        found: set[str] = set()
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = urlencode([("target", self._target), *(("id", one) for one in ids[start : start + IDS_AT_ONCE])])
            answer = await self._call("GET", f"/deadletters:arrived?{some}")
            found |= set(answer.get("arrived", ()))
        return found

    async def unanswered(self, seconds: float) -> list[tuple[int, Any]]:
        """The first letters (id, event) that were replayed longer than that ago and have not come here."""
        asked = urlencode({"target": self._target, "seconds": seconds})
        answer = await self._call("GET", f"/deadletters:unanswered?{asked}")
        try:
            return [(letter["id"], letter["event"]) for letter in answer["letters"]]
        except (KeyError, TypeError) as error:
            raise TransientError(f"crud's answer is no list of dead letters: {error!r}") from error

    async def answered(self, ids: Collection[int]) -> None:
        """The replays of these letters have come, and what became of them is told."""
        some = sorted(ids)
        for start in range(0, len(some), ANSWERS_AT_ONCE):
            body = {"target": self._target, "ids": some[start : start + ANSWERS_AT_ONCE]}
            await self._call("POST", "/deadletters:answered", body)

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        _, answer = await self._sidecar.call(CRUD, method, path, body)
        if not isinstance(answer, dict):
            raise TransientError("crud's answer is no object")
        return answer


class Replays:
    """Answers replays that have come, and looks after those that have not: a broker may take and lose them.

    A replay whose row waits in this instance is not answered before the row has arrived. So it outlives the instance.
    """

    def __init__(
        self,
        letters: Letters,
        deliver: Callable[[Sequence[Entry]], Awaitable[object]],
        seconds: float,
    ) -> None:
        """They are looked for every `seconds`. `deliver` is `Delivery.deliver`."""
        self._letters = letters
        self._deliver = deliver
        self._seconds = seconds
        self._come: set[int] = set()
        self._news = asyncio.Event()
        self._log = get_logger("rowcast.delivery")

    def notice(self, letter_ids: Sequence[int]) -> None:
        """These letters' replays need not come again; returns at once."""
        self._come.update(letter_ids)
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._answer())
            tasks.create_task(self._look())

    async def _answer(self) -> None:
        while True:
            await self._news.wait()
            if not await self._guarded(self.answer):
                await asyncio.sleep(1)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._seconds * random.uniform(0.9, 1.1))  # noqa: S311 - not a secret
            await self._guarded(self.look)

    async def answer(self) -> None:
        """Tell crud which have come. Raises TransientError; then they are told later."""
        some = set(self._come)
        if some:
            await self._letters.answered(some)
            self._come -= some
        if not self._come:
            self._news.clear()

    async def look(self) -> None:
        """Deliver what was replayed and has not come. Raises TransientError."""
        letters = await self._letters.unanswered(UNANSWERED_SECONDS)
        lost = [(letter_id, event) for letter_id, event in letters if letter_id not in self._come]
        if lost:
            self._log.warning("replays have not come, and are taken from the table", ids=[one for one, _ in lost])
            await self._deliver([Entry(str(n), event, replay_of=one) for n, (one, event) in enumerate(lost)])

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
            return True
        except TransientError as error:
            self._log.warning("replays not looked after, trying again", error=str(error))
        except Exception:
            self._log.exception("replays not looked after, trying again")
        return False
