"""`POST /preview` and `GET /live` of an instance: what the target says, and why it can't be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.row import app_config
from rowcast.sync.app import create_app
from rowcast.sync.routes.preview import QUESTIONS, Patience
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.memory import MemoryTarget
from unit.sync.test_app import Published
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio
ROW = {
    "id": 1,
    "name": "a",
    "repository_url": "https://git.example/a.git",
    "branch": "main",
    "environment": "dev",
    "generation": 1,
    "created_at": "2026-01-02T03:04:05Z",
    "updated_at": "2026-01-02T03:04:05Z",
    "updated_by": "ann",
}


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


@pytest.fixture
async def http(target: MemoryTarget) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(SyncSettings(target="k8s", reconcile_seconds=0), target, Published(), FakeTable())
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://sync") as http:
        while (await http.get("/readyz")).status_code != 200:
            pass
        yield http


async def test_a_preview_shows_the_manifest_and_writes_nothing(http: httpx.AsyncClient, target: MemoryTarget) -> None:
    told = (await http.post("/preview", json={"row": ROW})).json()

    assert (told["target"], told["change"], told["live"], told["error"]) == ("k8s", "create", None, None)
    assert "+  branch: main" in told["diff"]
    assert target.store.objects == {}


async def test_what_the_target_would_refuse_is_told_in_its_own_words(
    http: httpx.AsyncClient, target: MemoryTarget
) -> None:
    target.refused[app_config(1)] = PermanentError("denied", "the quota is full")

    told = (await http.post("/preview", json={"row": ROW})).json()

    assert told["error"] == {"reason": "denied", "message": "the quota is full"}


async def test_a_row_is_tried_by_a_declaration_that_is_not_its_own(http: httpx.AsyncClient) -> None:
    row = {"renderer": "shops", "key": "1", "revision": 7, "generation": 1, "row": {"id": 1, "name": "a"}}
    row |= {"name": "a", "updated_by": "ann", "changed_at": "2026-01-02T03:04:05Z"}
    text = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: public.shops, key: [id]}
  name: ${row.name}
  allow: {kinds: [ConfigMap]}
  manifests:
    - {id: settings, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${row.name}"}}}
"""
    columns = {"id": {"type": "int", "nullable": False}, "name": {"type": "string", "nullable": False}}

    async def tried(text: str, shape: object) -> httpx.Response:
        return await http.post("/preview", json={"row": row, "declaration": {"text": text, "shape": shape}})

    told = (await tried(text, {"columns": columns, "related": {}})).json()
    broken = (await tried(text.replace("row.name", "row.nome"), {"columns": columns, "related": {}})).json()

    assert (told["error"], told["refused"], told["unasked"], told["unavailable"]) == (None, [], [], None)
    assert "name: a" in told["manifest"]
    assert "nome" in broken["error"]["message"]
    assert (await tried(text, {"columns": 1})).status_code == 422


async def test_a_target_that_is_down_is_unavailable_and_no_error(http: httpx.AsyncClient, target: MemoryTarget) -> None:
    target.down = "gone fishing"

    preview, live = (
        await http.post("/preview", json={"row": ROW}),
        await http.get("/live", params={"row": "appconfigs/1"}),
    )

    assert (preview.status_code, preview.json()["unavailable"]) == (200, "gone fishing")
    assert (live.status_code, live.json()["unavailable"]) == (200, "gone fishing")


async def test_a_row_that_cannot_be_read_names_the_field(http: httpx.AsyncClient) -> None:
    answer = await http.post("/preview", json={"row": {**ROW, "branch": 7}})

    assert answer.status_code == 422
    assert "branch" in answer.json()["detail"]


async def test_a_question_that_takes_too_long_is_not_cut_off() -> None:
    ended = asyncio.Event()
    go_on = asyncio.Event()

    async def slow() -> None:
        await go_on.wait()
        ended.set()

    with pytest.raises(TransientError, match="no answer within"):
        await Patience(0).wait(slow())

    go_on.set()
    await ended.wait()


async def test_questions_do_not_gather_before_a_target_that_hangs() -> None:
    patience = Patience(0)
    go_on = asyncio.Event()
    for _ in range(QUESTIONS):
        with pytest.raises(TransientError, match="no answer within"):
            await patience.wait(go_on.wait())

    with pytest.raises(TransientError, match="ask again in a moment"):
        await patience.wait(go_on.wait())

    go_on.set()
