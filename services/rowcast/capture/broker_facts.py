"""What the broker says of itself, kept so that nobody who asks us waits for it; and what is put right there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from rowcast.brokers.as_text import as_json
from rowcast.core.broker import Broker
from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.runtime.logging import get_logger

KEEP_SECONDS = 2.0
WAIT_SECONDS = 1.2
"""Less than whoever asks us will wait."""
_TIMEOUT_SECONDS = 10.0


class RememberedFacts:
    """A broker's facts as they were at most KEEP_SECONDS ago, or as long ago as it has not answered since."""

    def __init__(self, broker: Broker | None, kind: str) -> None:
        self._broker = broker
        self._told: dict[str, Any] = {
            "configured": broker is not None,
            "error": "not asked yet",
            "kind": kind,
            "version": None,
            "topics": [],
        }
        self._until = 0.0
        self._asking: asyncio.Task[None] | None = None
        if broker is None:
            self._told["error"] = "where the broker is was not told (ROWCAST_BROKER_URL)"

    async def get(self) -> dict[str, Any]:
        """As `/facts` has it; returns within WAIT_SECONDS, with what was known before if there is nothing newer."""
        if self._broker is None:
            return self._told
        if self._asking is None and time.monotonic() >= self._until:
            self._asking = asyncio.create_task(self._ask(self._broker))
        if self._asking is not None:
            done, _ = await asyncio.wait({self._asking}, timeout=WAIT_SECONDS)
            if not done:
                return {**self._told, "error": "the broker doesn't answer"}
        return self._told

    async def _ask(self, broker: Broker) -> None:
        try:
            facts = await asyncio.wait_for(broker.facts(), _TIMEOUT_SECONDS)
        except (RowcastError, TimeoutError) as error:
            self._told = {**self._told, "error": str(error) or "the broker doesn't answer"}
        else:
            self._told = {"configured": True, "error": None, **as_json(facts)}
        finally:
            self._until = time.monotonic() + KEEP_SECONDS
            self._asking = None


class Recovery:
    """Makes anew what a broker has lost (streams, queues, groups)."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._turn = asyncio.Lock()
        self._begun = 0
        self._trouble = ""
        self._log = get_logger("rowcast.capture.broker")

    async def recover(self) -> None:
        """By an attempt that begins after the call, together with others who call meanwhile.

        Raises TransientError if the broker can't be reached. What it refuses for good, such as our login, is logged:
        the sidecar has a login of its own, and may get through.
        """
        asked = self._begun
        async with self._turn:
            if self._begun == asked:
                self._begun += 1
                self._trouble = "the attempt to make the broker ready was ended"
                self._trouble = await self._attempt()
            if self._trouble:
                raise TransientError(self._trouble)

    async def _attempt(self) -> str:
        try:
            await asyncio.wait_for(self._broker.prepare(), _TIMEOUT_SECONDS)
        except PermanentError as error:
            self._log.warning("the broker can't be made ready", error=str(error))
        except (RowcastError, TimeoutError) as error:
            return f"the broker can't be made ready: {str(error) or 'it does not answer'}"
        return ""
