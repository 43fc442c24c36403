"""The service over HTTP, as its sidecar sees it, on the fake target."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.row import app_config
from rowcast.sync.app import create_app
from rowcast.sync.intake.subscription import parsed
from rowcast.sync.reconcile import schedule
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.memory import MemoryTarget
from unit.core import changes
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio
BULK = "/events/rows/bulk"
REPLAYS = "/events/replays/bulk"


def event(op: str = "u", **fields: Any) -> dict[str, Any]:
    """One that is not late, however long the machine takes: it was saved in a minute."""
    return changes.event(op, **fields) | {"time": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}


class Published(list[tuple[str, Any]]):
    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.append((topic, data))
        self.heard.set()


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
async def sidecar(target: MemoryTarget, published: Published) -> AsyncIterator[httpx.AsyncClient]:
    table = FakeTable(lsn=0)
    for row_id in range(1, 10):
        table.save(row_id, 1, "any")
    table.lsn = 0
    app = create_app(SyncSettings(target="k8s"), target, published, table)
    async with app.router.lifespan_context(app), client(app) as http:
        while (await http.get("/readyz")).status_code != 200:
            assert (await http.get("/healthz")).status_code == 200
        yield http


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sync")


def bulk(*events: object) -> dict[str, Any]:
    return {"entries": [{"entryId": str(n), "event": one} for n, one in enumerate(events)]}


async def test_it_announces_its_subscriptions(sidecar: httpx.AsyncClient) -> None:
    announced = (await sidecar.get("/dapr/subscribe")).json()

    assert {one["pubsubname"] for one in announced} == {"pubsub"}
    assert [one["topic"] for one in announced] == ["rowcast.public.app_configs", "rowcast.replay.k8s"]


async def test_a_single_event_is_delivered_and_acknowledged(sidecar: httpx.AsyncClient, target: MemoryTarget) -> None:
    answer = await sidecar.post("/events/rows", json=event(row_id=5))

    assert answer.json() == {"status": "SUCCESS"}
    assert [int(held.row.key) for held in await target.inventory()] == [5]


async def test_a_post_that_is_not_json_is_dead_lettered_not_retried_for_ever(sidecar: httpx.AsyncClient) -> None:
    answer = await sidecar.post("/events/rows", content=b"\xff{")

    assert answer.json() == {"status": "SUCCESS"}


async def test_a_bulk_answers_each_entry(sidecar: httpx.AsyncClient, target: MemoryTarget) -> None:
    target.down = "away"

    answer = await sidecar.post(BULK, json=bulk(event(), "garbage"))

    assert [one["status"] for one in answer.json()["statuses"]] == ["RETRY", "SUCCESS"]


HALF = b'"\\ud83d"'
DEEP = b"[" * 2_000 + b"]" * 2_000


@pytest.mark.parametrize(
    "unreadable", [HALF, DEEP, b"9" * 5_000, b'"\xff"', b"\0"], ids=["half", "deep", "long", "raw", "nul"]
)
@pytest.mark.parametrize("route", [BULK, REPLAYS])
async def test_one_entry_that_no_parser_takes_is_dead_lettered_alone(
    sidecar: httpx.AsyncClient, target: MemoryTarget, published: Published, route: str, unreadable: bytes
) -> None:
    good = orjson.dumps(event(row_id=5))
    parts = [good, unreadable] if route == BULK else [orjson.dumps(raw(one)) for one in (good, unreadable)]
    entries = [b'{"entryId":"%d","event":%s}' % (number, part) for number, part in enumerate(parts)]

    answer = await sidecar.post(route, content=b'{"entries":[' + b",".join(entries) + b"]}")

    assert [one["status"] for one in answer.json()["statuses"]] == ["SUCCESS", "SUCCESS"]
    assert [int(held.row.key) for held in await target.inventory()] == [5]
    (letter,) = [data for topic, data in published if topic == "rowcast.dead-letters"]
    assert letter["event"] == unreadable.decode(errors="replace")


def raw(message: bytes) -> str:
    return base64.b64encode(message).decode()


async def test_a_replayed_event_takes_the_same_way(sidecar: httpx.AsyncClient, target: MemoryTarget) -> None:
    answer = await sidecar.post(REPLAYS, json=bulk(raw(orjson.dumps(event(row_id=5)))))
    single = await sidecar.post("/events/replays", json={"data_base64": raw(orjson.dumps(event(row_id=6, name="b")))})

    assert [one["status"] for one in answer.json()["statuses"]] == [single.json()["status"]] == ["SUCCESS"]
    assert [int(held.row.key) for held in await target.inventory()] == [5, 6]


@pytest.mark.parametrize("message", [b"garbage", b"\xff\x00", b"", b"[1]", b"null"])
async def test_what_the_sidecar_could_not_read_is_a_dead_letter_as_it_came(
    sidecar: httpx.AsyncClient, published: Published, message: bytes
) -> None:
    answer = await sidecar.post(REPLAYS, json=bulk(raw(message), raw(orjson.dumps(event()))))

    assert [one["status"] for one in answer.json()["statuses"]] == ["SUCCESS", "SUCCESS"]
    (letter,) = [data for topic, data in published if topic == "rowcast.dead-letters"]
    assert letter["reason"] == "undecodable"
    assert letter["event"] == parsed(message)


async def test_a_bug_of_ours_is_tried_again_and_counted_and_never_taken_for_success(
    sidecar: httpx.AsyncClient, target: MemoryTarget
) -> None:
    target.store.objects = None  # type: ignore[assignment]  # whatever breaks inside

    await sidecar.post(BULK, json=bulk(event()))

    assert (await sidecar.get("/facts")).json()["retrying"]["rows"] == 1
    assert 'rowcast_sync_errors_total{class="bug",target="k8s"} 1.0' in (await sidecar.get("/metrics")).text


@pytest.mark.parametrize("bulk_route", [True, False], ids=["bulk", "single"])
async def test_one_by_one_has_the_same_outcomes_as_in_bulk(
    sidecar: httpx.AsyncClient, target: MemoryTarget, published: Published, bulk_route: bool
) -> None:
    async def answer(one: object, *, replay: bool = False) -> str:
        sent = raw(orjson.dumps(one)) if replay else one
        if bulk_route:
            posted = await sidecar.post(REPLAYS if replay else BULK, json=bulk(sent))
            return str(posted.json()["statuses"][0]["status"])
        single = {"data_base64": sent} if replay else sent
        posted = await sidecar.post("/events/replays" if replay else "/events/rows", json=single)
        return str(posted.json()["status"])

    assert await answer(event("d", row_id=9, generation=1)) == "SUCCESS", "the table has it: no deletion"
    assert await answer({"no": "event"}) == "SUCCESS"
    assert await answer({"id": "x", "rowcastReplayOf": 17, "event": event(row_id=5)}, replay=True) == "SUCCESS"
    target.refused[app_config(6)] = PermanentError("not-owned", "it is somebody else's")
    assert await answer(event(row_id=6, name="b")) == "SUCCESS"
    target.refused[app_config(7)] = TransientError("its webhook is down")
    assert await answer(event(row_id=7, name="c")) == "SUCCESS", "it waits here"
    target.down = "away"
    assert await answer(event(row_id=8, name="d")) == "RETRY"

    letters = [data["reason"] for topic, data in published if topic == "rowcast.dead-letters"]
    assert letters == ["undecodable", "not-owned"]
    metrics = (await sidecar.get("/metrics")).text
    dead = 'rowcast_sync_changes_total{outcome="dead-lettered",renderer'
    assert f'{dead}="",target="k8s"}} 1.0' in metrics
    assert f'{dead}="appconfigs",target="k8s"}} 1.0' in metrics
    assert (await sidecar.get("/facts")).json()["retrying"]["rows"] == 2


async def test_events_that_come_one_by_one_at_once_are_delivered_together(
    sidecar: httpx.AsyncClient, target: MemoryTarget
) -> None:
    posts = [sidecar.post("/events/rows", json=event(row_id=row_id, name=f"n{row_id}")) for row_id in range(1, 10)]
    before = target.tries

    answers = await asyncio.gather(*posts)

    assert [one.json() for one in answers] == [{"status": "SUCCESS"}] * 9
    assert len(list(await target.inventory())) == 9
    assert target.tries - before < 9


async def test_a_route_that_is_missing_is_never_a_404_to_the_sidecar(sidecar: httpx.AsyncClient) -> None:
    assert (await sidecar.post("/events/other", json={})).status_code == 503


async def test_an_instance_whose_target_is_away_is_alive_not_ready_and_retries(target: MemoryTarget) -> None:
    target.down = "away"
    app = create_app(SyncSettings(target="k8s"), target, Published(), FakeTable(lsn=0))
    async with app.router.lifespan_context(app), client(app) as http:
        assert (await http.get("/healthz")).status_code == 200
        ready = await http.get("/readyz")
        answer = await http.post(BULK, json=bulk(event()))

    assert ready.status_code == 503
    assert ready.json()["failures"] == {"target": "the target's inventory has not been read yet"}
    assert [one["status"] for one in answer.json()["statuses"]] == ["RETRY"]


@pytest.mark.parametrize("name", ["AfterSnapshot", "Period"])
async def test_nothing_is_compared_with_a_target_before_it_is_read(
    target: MemoryTarget, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A million files take minutes to read; three comparisons that fail meanwhile are an alert."""
    compares = asyncio.Event()

    async def run(_: object) -> None:
        compares.set()

    monkeypatch.setattr(getattr(schedule, name), "run", run)
    target.down = "away"
    app = create_app(SyncSettings(target="k8s"), target, Published(), FakeTable(lsn=0))
    async with app.router.lifespan_context(app), client(app) as http, asyncio.timeout(20):
        assert (await http.get("/readyz")).status_code == 503
        assert not compares.is_set()
        target.down = None
        await compares.wait()


async def test_the_token_is_asked_of_everybody_but_the_probes(target: MemoryTarget) -> None:
    app = create_app(
        SyncSettings(target="k8s", app_api_token=SecretStr("secret")), target, Published(), FakeTable(lsn=0)
    )
    async with app.router.lifespan_context(app), client(app) as http:
        assert (await http.post("/events/rows", json=event())).status_code == 401
        assert (await http.get("/healthz")).status_code == 200
        answer = await http.post("/events/rows", json=event(), headers={"dapr-api-token": "secret"})
        assert answer.status_code == 200


async def test_a_git_instance_that_no_engine_follows_says_so_once(
    target: MemoryTarget, published: Published, tmp_path: Path
) -> None:
    """Or what one has said before it was taken away would stand for ever."""
    settings = SyncSettings(target="git", git_url="file:///nowhere", git_cache=tmp_path)
    app = create_app(settings, target, published, FakeTable(lsn=0))
    async with app.router.lifespan_context(app), asyncio.timeout(20):
        await published.heard.wait()
    assert list(published) == [("rowcast.sync-status", {"target": "git", "statuses": [], "progress": "none"})]
