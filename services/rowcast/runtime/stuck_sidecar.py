"""Ends a sidecar that holds messages back, so that the broker gives them to the next one.

RabbitMQ's component has one channel for all of a sidecar's subscriptions and for what it publishes. When it connects
again they all declare and consume at once, take each other's answers ("unexpected command received"), and try anew:
what the broker has begun to deliver to is then read by nobody, and takes a share of all messages, or all of them, until
the connection ends. A sidecar that starts subscribes one after the other. (components-contrib v1.18.4, pubsub/rabbitmq)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable

from rowcast.runtime.logging import get_logger

SIGNS = 3
WITHIN_SECONDS = 600.0
QUIET_SECONDS = 60.0
"""After an end: what was held back comes late, and is no sign of the next sidecar."""


class StuckSidecar:
    """Judges whether a sidecar holds messages back."""

    def __init__(self, end: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic) -> None:
        """`end` ends the sidecar, which whoever keeps it running starts anew."""
        self._end = end
        self._clock = clock
        self._signs: deque[float] = deque(maxlen=SIGNS)
        self._ended = -QUIET_SECONDS
        self._log = get_logger("rowcast.sidecar")

    async def sign(self, messages: int = 1) -> None:
        """Messages have not come though later ones have. One may be lost: three are held back."""
        now = self._clock()
        if self._is_quiet(now):
            return
        self._signs.extend([now] * min(messages, SIGNS))
        if len(self._signs) == SIGNS and now - self._signs[0] <= WITHIN_SECONDS:
            await self.end()

    async def end(self) -> bool:
        """It is known that messages are held back; whether the sidecar was asked to end, and not a moment ago."""
        now = self._clock()
        if self._is_quiet(now):
            return False
        self._ended = now
        self._signs.clear()
        self._log.warning("the sidecar holds messages back: it is ended, to be started anew")
        await self._end()
        return True

    def _is_quiet(self, now: float) -> bool:
        return now - self._ended < QUIET_SECONDS
