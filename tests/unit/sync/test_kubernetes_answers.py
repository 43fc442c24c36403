"""What the Kubernetes target tells when an answer is lost, or an event comes twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.targets.rows import deleted, saved
from rowcast.core.errors import TransientError
from rowcast.core.ports import Delivered, Failed
from rowcast.core.row import app_config
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.targets.kubernetes.api import ConflictError
from rowcast.sync.targets.kubernetes.objects import changed_paths, live_of
from rowcast.sync.targets.kubernetes.target import KubernetesTarget
from unit.core.changes import row as table_row
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio


class Server:
    """An API server's objects, with their watches."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.watchers: list[asyncio.Queue[tuple[str, dict[str, Any]]]] = []

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        for one in self.watchers:
            one.put_nowait((kind, body))

    def next(self) -> str:
        self.version += 1
        return str(self.version)


class FakeApi:
    """What `Api` does, over such a server. `loses`: the next write is done and has no answer. `mutates`: a webhook."""

    namespace = "home"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.loses = False
        self.holds = False
        self.held: list[Any] = []
        self.mutates = False
        self._uids = itertools.count(1)

    def place(self, manifest: Any) -> str:
        return str(manifest.type.place(manifest.name, ""))

    def live_of(self, resource: Any, body: Mapping[str, Any]) -> Any:
        return live_of(resource, body, self.namespace)

    async def kinds_in_use(self) -> list[Any]:
        return []

    async def allowed(self, verb: str, resource: Any) -> bool:
        return True

    async def list_all(self, resource: Any, same: Any = lambda live: live) -> Any:
        found = [same(self.live_of(resource, body)) for body in self.server.objects.values()]
        return found, str(self.server.version)

    async def watch(self, resource: Any, version: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.server.watchers.append(queue)
        while True:
            yield await queue.get()

    async def get(self, resource: Any, name: str, namespace: str = "") -> Any:
        body = self.server.objects.get(resource.place(name, ""))
        return None if body is None else self.live_of(resource, body)

    def _do(self, manifest: Any, over: Any) -> Any:
        place = self.place(manifest)
        there = self.server.objects.get(place)
        if (there is None) != (over is None) and there is not None:
            raise ConflictError("exists")
        if over is not None and (there is None or there["metadata"]["resourceVersion"] != over.resource_version):
            raise ConflictError("changed")
        spec = dict(manifest.body["spec"])
        if self.mutates:
            spec["branch"] = "forced"
        uid = there["metadata"]["uid"] if there else f"u{next(self._uids)}"
        metadata = {**manifest.body["metadata"], "uid": uid, "resourceVersion": self.server.next()}
        body = {**manifest.body, "spec": spec, "metadata": metadata}
        self.server.objects[place] = body
        self.server.tell("MODIFIED" if there else "ADDED", body)
        live = self.live_of(manifest.type, body)
        return replace(live, changed=changed_paths(manifest.body["spec"], spec))

    async def apply(self, manifest: Any, over: Any) -> Any:
        if self.holds:
            self.holds = False
            self.held.append(lambda: self._do(manifest, over))
            raise TransientError("no answer within 2 s")
        live = self._do(manifest, over)
        if self.loses:
            self.loses = False
            raise TransientError("no answer within 2 s")
        return live

    async def delete(self, live: Any) -> Any:
        there = self.server.objects.get(live.key)
        if there is not None:
            if there["metadata"]["resourceVersion"] != live.resource_version:
                raise ConflictError("changed")
            del self.server.objects[live.key]
            metadata = {**there["metadata"], "resourceVersion": self.server.next()}
            self.server.tell("DELETED", {**there, "metadata": metadata})
        return None

    async def close(self) -> None:
        pass


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def api(server: Server) -> FakeApi:
    return FakeApi(server)


async def started(api: FakeApi) -> KubernetesTarget:
    target = KubernetesTarget(api)  # type: ignore[arg-type]
    await target.start()
    await settle()
    return target


async def deliver(target: Any, desired: Any) -> Any:
    result = (await target.deliver([desired]))[desired.row]
    await settle()
    return result


async def test_what_admission_makes_of_a_row_is_told_when_its_event_comes_again(api: FakeApi) -> None:
    target = await started(api)
    api.mutates = True
    first = await deliver(target, saved(1, 1, "a"))
    assert isinstance(first, Delivered)
    assert first.trouble == "the API server has changed what was applied: spec.branch"

    again = await deliver(target, saved(1, 1, "a"))
    await target.close()
    assert isinstance(again, Delivered)
    assert again.trouble == first.trouble


async def test_what_admission_makes_of_a_row_is_told_when_the_answer_was_lost(api: FakeApi) -> None:
    target = await started(api)
    api.mutates = api.loses = True
    wanted = saved(1, 1, "a")
    assert isinstance(await deliver(target, wanted), Failed)

    again = await deliver(target, replace(wanted, again=True))
    await target.close()
    assert isinstance(again, Delivered)
    assert (again.outcome, again.trouble) == (
        "created",
        "the API server has changed what was applied: spec.branch",
    )


async def test_what_is_made_without_an_answer_is_new_when_it_is_tried_again(api: FakeApi) -> None:
    target = await started(api)
    api.loses = True
    wanted = saved(1, 1, "a")
    assert isinstance(await deliver(target, wanted), Failed)

    again = await deliver(target, replace(wanted, again=True))
    await target.close()
    assert isinstance(again, Delivered)
    assert (again.outcome, again.new) == ("created", True)


async def test_what_was_made_without_an_answer_of_a_row_that_is_gone_is_taken_back(
    api: FakeApi, server: Server
) -> None:
    """Two instances: this one's apply waits in the API server while the other one has the row's deletion."""
    table = FakeTable(lsn=0)
    saved_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    target = await started(api)
    hindsight = Hindsight(target, table, clock=lambda: saved_at)
    await deliver(hindsight, saved(9, 1, "first"))  # the instance began before
    table.rows[9] = table_row(9, 1, "first")
    wanted = saved(1, 1, "a")
    table.rows[1] = table_row(1, 1, "a")
    api.holds = True
    assert isinstance(await deliver(hindsight, wanted), Failed)

    other = await started(FakeApi(server))
    del table.rows[1]
    assert isinstance(await deliver(Hindsight(other, table), deleted(1, 2, "a")), Delivered)
    await other.close()  # and is started anew
    (carried_out,) = api.held
    carried_out()
    await settle()

    told = await deliver(hindsight, replace(wanted, again=True))
    left = [held.row for held in target.known(app_config(1))]
    await target.close()
    assert (left, str(told.outcome)) == ([], "stale")


async def test_nothing_is_remembered_of_rows_that_another_instance_has_taken_on(api: FakeApi, server: Server) -> None:
    target = await started(api)
    other = await started(FakeApi(server))
    for number in range(1, 51):
        api.loses = True
        assert isinstance(await deliver(target, saved(number, 1, f"n{number}")), Failed)
        # The partition is the other instance's by then.
        assert isinstance(await deliver(other, saved(number, 2, f"n{number}")), Delivered)
        assert str((await deliver(target, saved(number, 1, f"n{number}"))).outcome) == "stale"
        assert isinstance(await deliver(other, deleted(number, 3, f"n{number}")), Delivered)
    await target.close()
    await other.close()
    assert server.objects == {}
    assert len(target._begun) == 0


async def test_control_what_was_made_with_an_answer_of_a_row_that_is_gone_is_taken_back(
    api: FakeApi, server: Server
) -> None:
    """The same with an answer, late: passes, so that the test above is about the answer alone."""
    table = FakeTable(lsn=0)
    saved_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    target = await started(api)
    hindsight = Hindsight(target, table, clock=lambda: saved_at)
    await deliver(hindsight, saved(9, 1, "first"))
    table.rows[9] = table_row(9, 1, "first")
    told = await deliver(hindsight, saved(1, 1, "a"))
    left = [held.row for held in target.known(app_config(1))]
    await target.close()
    assert (left, str(told.outcome)) == ([], "stale")
