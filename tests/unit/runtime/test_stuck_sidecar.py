"""A sidecar that holds messages back is ended; one whose message was lost now and then isn't."""

from __future__ import annotations

import pytest

from rowcast.runtime.stuck_sidecar import QUIET_SECONDS, SIGNS, WITHIN_SECONDS, StuckSidecar

pytestmark = pytest.mark.anyio


class Bench:
    """A sidecar that counts how often it was ended, and a clock."""

    def __init__(self) -> None:
        self.ended, self.now = 0, 0.0
        self.stuck = StuckSidecar(self.end, lambda: self.now)

    async def end(self) -> None:
        self.ended += 1

    async def signs(self, count: int, apart: float) -> int:
        for _ in range(count):
            self.now += apart
            await self.stuck.sign()
        return self.ended


async def test_signs_that_come_together_end_it() -> None:
    assert await Bench().signs(SIGNS - 1, 5) == 0
    assert await Bench().signs(SIGNS, 5) == 1


async def test_as_many_messages_at_once_end_it_too() -> None:
    bench = Bench()
    await bench.stuck.sign(SIGNS - 1)
    assert bench.ended == 0

    bench.now += QUIET_SECONDS
    await bench.stuck.sign(2 * SIGNS)

    assert bench.ended == 1


async def test_what_comes_late_after_that_is_no_sign_of_the_next_one() -> None:
    bench = Bench()
    await bench.signs(SIGNS, 5)

    assert await bench.signs(int(QUIET_SECONDS / 5) - 1, 5) == 1
    assert await bench.signs(SIGNS, 5) == 2


async def test_signs_far_apart_are_of_messages_that_were_lost() -> None:
    assert await Bench().signs(10, WITHIN_SECONDS) == 0


async def test_what_is_known_ends_it_at_once_but_not_again_and_again() -> None:
    bench = Bench()

    assert await bench.stuck.end()
    assert not await bench.stuck.end()
    bench.now += QUIET_SECONDS
    assert await bench.stuck.end()
    assert bench.ended == 2
