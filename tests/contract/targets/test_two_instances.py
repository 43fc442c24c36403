"""Two instances deliver to one namespace for a while, as after a rebalance: each knows what the other one did."""

from __future__ import annotations

import asyncio

import pytest

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.rows import deleted, saved
from contract.targets.test_target_contract import deliver
from rowcast.core.outcomes import Outcome
from rowcast.core.row import RowKey, app_config
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio


async def test_a_late_event_brings_back_no_row_that_the_other_instance_deleted_or_displaced(
    api_server: Platform,
) -> None:
    place = Kubernetes(api_server.env())
    one, other = place.target(), place.target()
    noticed: asyncio.Queue[RowKey] = asyncio.Queue()
    other.listen(noticed.put_nowait)
    await one.start()
    await deliver(one, saved(1, 2, "a"), saved(2, 2, "b"))
    await other.start()
    try:
        await deliver(one, deleted(1, 3, "a"))
        await deliver(one, saved(3, 1, "b"))
        async with asyncio.timeout(20):
            # It takes both for somebody's doing, and so has seen them.
            assert {await noticed.get(), await noticed.get()} == {app_config(1), app_config(3)}

        late = await deliver(other, saved(1, 1, "a", lsn=1), saved(2, 1, "c", lsn=2))

        assert late == [Outcome.STALE, Outcome.STALE]
        assert {name: seen.row_id for name, seen in place.observe().items()} == {"b": 3}
    finally:
        await one.close()
        await other.close()
