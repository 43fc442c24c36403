"""Ends a sidecar that no longer reads: whoever keeps it running starts it again, and it subscribes anew.

crud publishes next to nothing, so it would never hear that its sidecar has given up on the broker (`has_given_up` in
`rowcast.runtime.dapr`). The broker knows: it answers, and nobody reads crud's topics, though crud runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rowcast.core.broker import BrokerFacts
from rowcast.core.capture import Capture, EngineFacts
from rowcast.core.errors import TransientError
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.logging import get_logger

EVERY_SECONDS = 20.0
"""Longer than a sidecar takes to connect again, where it does."""
LOOKS = 2


async def watch(
    capture: Capture,
    sidecar: DaprPublisher,
    topic: str,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Looks at who reads `topic`, which is crud's alone, until it is cancelled; twice nobody ends the sidecar."""
    log = get_logger("rowcast.crud.deaf_sidecar")
    unread = 0
    while True:
        await sleep(EVERY_SECONDS)
        try:
            facts = await capture.facts()
        except TransientError:
            continue  # the pipeline's page says so
        unread = unread + 1 if is_unread(facts.broker if isinstance(facts, EngineFacts) else None, topic) else 0
        if unread == LOOKS:
            log.warning("the sidecar no longer reads: it is ended, to be started anew", topic=topic)
            await sidecar.end()
            unread = 0


def is_unread(facts: BrokerFacts | None, topic: str) -> bool:
    """Whether the broker says that nobody reads the topic; what it doesn't tell is no reason."""
    groups = [group for each in (facts.topics if facts else ()) if each.name == topic for group in each.groups]
    return bool(groups) and all(group.consumers == 0 for group in groups)
