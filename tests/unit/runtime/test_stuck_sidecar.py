"""A sidecar that holds messages back is ended; one whose message was lost now and then isn't."""

from __future__ import annotations

import pytest

from rowcast.runtime.stuck_sidecar import SIGNS, WITHIN_SECONDS, StuckSidecar

pytestmark = pytest.mark.anyio


class Sidecar:
    """Counts how often it was ended."""

    ended = 0

    async def end(self) -> None:
        self.ended += 1


async def after(*pauses: float) -> int:
    """How often the sidecar was ended by signs that come after such pauses."""
    sidecar, now = Sidecar(), 0.0
    stuck = StuckSidecar(sidecar.end, lambda: now)
    for pause in pauses:
        now += pause
        await stuck.sign()
    return sidecar.ended


async def test_signs_that_come_together_end_it_and_the_count_begins_anew() -> None:
    assert await after(*[5.0] * (SIGNS - 1)) == 0
    assert await after(*[5.0] * SIGNS) == 1
    assert await after(*[5.0] * (2 * SIGNS - 1)) == 1
    assert await after(*[5.0] * (2 * SIGNS)) == 2


async def test_signs_far_apart_are_of_messages_that_were_lost() -> None:
    assert await after(*[WITHIN_SECONDS] * 10) == 0
