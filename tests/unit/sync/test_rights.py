"""Rights that are missing are found before a row needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest

from rowcast.core.errors import TransientError
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need
from rowcast.core.shapes import RowShape
from rowcast.sync.environments.routing import Routing
from rowcast.sync.monitoring.rights import Rights
from rowcast.sync.rendering import Revision
from rowcast.sync.settings import SyncSettings
from rowcast.sync.table.rows import CrudTable
from rowcast.sync.targets.memory import MemoryTarget

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, tzinfo=UTC)
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: shops, key: [id]}
  name: a
  allow: {kinds: [ConfigMap]}
  manifests: [{id: a, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}]
"""
LACK = Need("ConfigMap", "", "configmaps", ("create", "patch"), ("shops",))
MISSING = {
    "kind": "ConfigMap",
    "resource": "configmaps",
    "verbs": ["create", "patch"],
    "renderers": ["shops"],
    "place": None,
}


class Server(MemoryTarget):
    """A crud with one renderer, and a target that lacks what it is told to."""

    def __init__(self, *lacks: Need) -> None:
        super().__init__()
        self.lacks = lacks
        self.newest = 1
        self.text = DECLARATION
        self.read: list[int] = []
        self.asked: asyncio.Queue[list[str]] = asyncio.Queue()

    async def renderers(self) -> Sequence[tuple[str, int]]:
        return [("shops", self.newest)]

    async def revision(self, name: str, number: int) -> Revision:
        self.read.append(number)
        return Revision(self.text, RowShape({}))

    async def lacking(self, renderers: Sequence[Renderer]) -> Sequence[Need]:
        if self.down:
            raise TransientError(self.down)
        self.asked.put_nowait([one.name for one in renderers])
        return self.lacks


async def test_what_is_lacking_is_told_with_verbs_and_declarations_and_a_revision_is_read_once() -> None:
    server = Server(LACK)
    rights = Rights(server, server, lambda: NOW)

    await rights.look()
    await rights.look()

    assert rights.as_json() == {"asked_at": "2026-01-02T00:00:00.000000+00:00", "missing": [MISSING]}
    assert server.read == [1]
    server.newest = 2
    server.lacks = ()
    await rights.look()
    assert rights.as_json()["missing"] == []
    assert server.read == [1, 2]


async def test_what_was_found_holds_while_nobody_can_be_asked() -> None:
    server = Server(LACK)
    rights = Rights(server, server, lambda: NOW)
    await rights.look()
    server.down = "away"

    with pytest.raises(TransientError):
        await rights.look()

    assert rights.as_json()["missing"] == [MISSING]


async def test_a_declaration_that_this_version_can_not_read_keeps_no_other_from_being_asked_for() -> None:
    server = Server()
    server.text = "kind: Renderer"
    await Rights(server, server).look()

    assert server.asked.get_nowait() == []


async def test_a_new_revision_is_looked_at_at_once() -> None:
    server = Server()
    rights = Rights(server, server)
    running = asyncio.create_task(rights.run())
    async with asyncio.timeout(5):
        await server.asked.get()
        rights.notice()
        await server.asked.get()
    running.cancel()


async def test_a_kind_that_is_not_there_has_no_verbs() -> None:
    server = Server(Need("example.com/Widget", "example.com", "", ("get",), ("shops",)))
    rights = Rights(server, server)
    await rights.look()

    (one,) = rights.as_json()["missing"]
    assert (one["resource"], one["verbs"]) == (None, [])


async def test_of_several_places_each_says_what_it_lacks() -> None:
    async def made() -> Server:
        return Server(LACK)

    async def plain() -> MemoryTarget:
        return MemoryTarget()

    routing = Routing("k8s", {"near": made, "far": plain}, lambda _: "near")
    assert await routing.lacking([]) == []
    await routing.start()

    assert [one.place for one in await routing.lacking([])] == ["near"]
    await routing.close()


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(200, json={"items": [{"name": "shops"}]})])
async def test_a_crud_that_can_not_say_what_renderers_there_are_is_asked_again(answer: httpx.Response) -> None:
    table = CrudTable(SyncSettings(target="k8s"), httpx.MockTransport(lambda _: answer))

    with pytest.raises(TransientError, match="renderers"):
        await table.renderers()


async def test_a_renderer_that_was_deleted_needs_no_rights_and_what_is_yet_to_be_rolled_out_does() -> None:
    kept = {"name": "kept", "revision": 1, "newest": 2}
    items = [{"name": "shops", "revision": 3, "deleted": True}, {"name": "tenants", "revision": 2}, kept]
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"items": items})

    table = CrudTable(SyncSettings(target="k8s"), httpx.MockTransport(answer))

    assert await table.renderers() == [("tenants", 2), ("kept", 2)]
    # Nobody counts a million rows for it every ten seconds.
    assert str(asked[0].url.query, "ascii") == "counts=false"
