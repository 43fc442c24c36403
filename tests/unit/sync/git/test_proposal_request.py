"""Whether a request that is closed is a person's no."""

from __future__ import annotations

import pytest

from rowcast.sync.forges.memory import MemoryForge
from rowcast.sync.forges.port import State
from rowcast.sync.targets.git.proposals.overlay import Overlay
from rowcast.sync.targets.git.proposals.request import LATE_SECONDS, ProposalRequest

pytestmark = pytest.mark.anyio
TIP = "abc"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def forge() -> MemoryForge:
    return MemoryForge()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def request_of_a_branch_made_anew(forge: MemoryForge, clock: Clock) -> ProposalRequest:
    """The one before was merged, its branch deleted, and the next proposal pushed at once."""

    async def tip(_ref: str) -> str:
        return TIP

    request = ProposalRequest(forge, "rowcast/main", "main", tip, clock)
    await request.show(Overlay())
    forge.end(1, State.MERGED, "bob")
    await request.look()
    request.branch_removed()
    await request.show(Overlay())
    return request


async def test_what_the_forge_closes_late_for_the_old_branch_is_nobodys_no(
    request_of_a_branch_made_anew: ProposalRequest, forge: MemoryForge
) -> None:
    request = request_of_a_branch_made_anew
    forge.end(2, State.CLOSED, "rowcast")
    await request.look()

    assert not await request.declined(TIP)
    await request.show(Overlay())
    assert [one.state for _, _, one in forge.requests] == [State.MERGED, State.CLOSED, State.OPEN]


async def test_later_it_is_a_persons(
    request_of_a_branch_made_anew: ProposalRequest, forge: MemoryForge, clock: Clock
) -> None:
    clock.now += LATE_SECONDS
    forge.end(2, State.CLOSED, "bob")
    await request_of_a_branch_made_anew.look()

    assert await request_of_a_branch_made_anew.declined(TIP)
