"""Reconciling on demand, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio.lowlevel
import httpx
import pytest

from rowcast.sync.app import create_app
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.memory import MemoryTarget
from unit.sync.test_app import Published
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
async def http(table: FakeTable) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(SyncSettings(target="k8s", reconcile_seconds=0), MemoryTarget(), Published(), table)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://sync") as http:
        while (await http.get("/readyz")).status_code != 200:
            pass
        yield http


async def test_it_answers_with_the_plan_and_what_was_done(http: httpx.AsyncClient, table: FakeTable) -> None:
    table.save(1, 1, "a")

    answer = await http.post("/reconcile", json={})

    run = answer.json()
    assert (answer.status_code, run["state"], run["outcomes"]) == (200, "done", {"created": 1})
    assert run["plan"] == [
        {
            "kind": "missing",
            "renderer": "appconfigs",
            "key": "1",
            "generation": 1,
            "name": "a",
            "environment": "dev",
            "why": "is not there",
        }
    ]
    assert (await http.get("/reconcile")).json()["last"] == run


async def test_a_second_one_meanwhile_is_a_conflict_and_the_first_can_be_followed(
    http: httpx.AsyncClient, table: FakeTable
) -> None:
    go_on = asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    table.before_reading[1] = wait
    first = await http.post("/reconcile", json={"wait_seconds": 0, "dry_run": True})
    second = await http.post("/reconcile", json={})

    assert (first.status_code, first.json()["state"]) == (202, "reading")
    assert second.status_code == 409
    assert (await http.get("/reconcile")).json()["current"]["dry_run"] is True
    go_on.set()
    while (await http.get("/reconcile")).json()["current"] is not None:
        await anyio.lowlevel.checkpoint()
    assert (await http.get("/reconcile")).json()["last"]["state"] == "done"


@pytest.mark.parametrize("body", [{"prune_limit": 2}, {"prune_limit": -0.1}, {"dryrun": True}, {"dry_run": "x"}])
async def test_a_wrong_request_is_refused(http: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await http.post("/reconcile", json=body)).status_code == 422
