"""Ends a sidecar that holds messages back, so that the broker gives them to the next one.

RabbitMQ's component has one channel for all of a sidecar's subscriptions and for what it publishes. When it connects
again they all declare and consume at once, take each other's answers ("unexpected command received"), and try anew:
what the broker has begun to deliver to is then read by nobody, and takes a share of all messages until the connection
ends. (components-contrib v1.18.4, pubsub/rabbitmq; a sidecar that starts subscribes one after the other.)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable

from rowcast.runtime.logging import get_logger

SIGNS = 3
WITHIN_SECONDS = 600.0


class StuckSidecar:
    """Counts signs that messages are held back. A single one may be of a message that was lost."""

    def __init__(self, end: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic) -> None:
        """`end` ends the sidecar, which whoever keeps it running starts anew."""
        self._end = end
        self._clock = clock
        self._signs: deque[float] = deque(maxlen=SIGNS)
        self._log = get_logger("rowcast.sidecar")

    async def sign(self) -> None:
        """A message has not come, though its broker took it and later ones came."""
        now = self._clock()
        self._signs.append(now)
        if len(self._signs) < SIGNS or now - self._signs[0] > WITHIN_SECONDS:
            return
        self._signs.clear()
        self._log.warning("the sidecar holds messages back: it is ended, to be started anew")
        await self._end()
