from __future__ import annotations

import asyncio

import pytest

from rowcast.sync.targets.kubernetes.locks import NameLocks


@pytest.mark.anyio
async def test_holders_of_a_common_name_take_turns_and_others_do_not_wait() -> None:
    locks = NameLocks()
    inside: list[str] = []
    release = asyncio.Event()

    async def hold(who: str, names: set[str]) -> None:
        async with locks.hold(names):
            inside.append(who)
            await release.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold("first", {"a", "b"}))
        group.create_task(hold("waits", {"b", "c"}))
        group.create_task(hold("free", {"d"}))
        for _ in range(10):
            await asyncio.sleep(0)
        assert inside == ["first", "free"]
        release.set()
    assert inside == ["first", "free", "waits"]


@pytest.mark.anyio
async def test_names_in_opposite_order_do_not_wait_for_each_other_for_ever() -> None:
    locks = NameLocks()

    async def hold(*names: str) -> None:
        for _ in range(100):
            async with locks.hold(names):
                await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(hold("a", "b"), hold("b", "a")), 10)
