"""What the API server carries out long after nobody waits for it any more: requests that were held up on their way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from prometheus_client import CollectorRegistry

from contract.targets.kubernetes_place import IN_FLIGHT, Kubernetes
from contract.targets.rows import deleted, saved
from contract.targets.test_target_contract import deliver
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Failed
from rowcast.core.row import RowKey, app_config
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.reconcile.schedule import Drift
from rowcast.sync.status.report import Topics
from rowcast.sync.targets.kubernetes import connect
from rowcast.sync.targets.kubernetes.api import QUICK_SECONDS, SlowError
from rowcast_local.platform import Platform
from unit.sync.test_reconciler import FakeTable

pytestmark = pytest.mark.anyio
PAUSE_SECONDS = QUICK_SECONDS / 4
"""Between a request and the client's giving up, which comes after QUICK_SECONDS."""


class Road:
    """A TCP relay. While it is held up, what clients send waits, and arrives afterwards, also if they have given up."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._free = asyncio.Event()
        self._free.set()
        self._ways: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """The URL to take instead."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        try:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for way in self._ways:
                way.cancel()
            await asyncio.gather(*self._ways, return_exceptions=True)

    def hold_up(self) -> None:
        self._free.clear()

    def go_on(self) -> None:
        self._free.set()

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._ways |= {
            asyncio.create_task(self._go(client, to_server)),
            asyncio.create_task(self._come(server, to_client)),
        }

    async def _go(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while data := await client.read(65536):
            if not self._free.is_set():
                data += await _until_it_pauses(client)
                await self._free.wait()
                to_server.write(data)
                # What the client has sent since is that it gives up: the server is not to hear of that.
                await asyncio.Event().wait()
            to_server.write(data)

    async def _come(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while data := await server.read(65536):
            to_client.write(data)


async def _until_it_pauses(reader: asyncio.StreamReader) -> bytes:
    data = b""
    with contextlib.suppress(TimeoutError):
        while True:
            data += await asyncio.wait_for(reader.read(65536), PAUSE_SECONDS)
    return data


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - between two looks; the condition decides
            await asyncio.sleep(0.05)


class Nowhere:
    async def publish(self, topic: str, data: object, metadata: dict[str, str] | None = None) -> None:
        raise AssertionError(f"nothing is to be told: {topic} {data}")


async def test_a_write_that_is_carried_out_after_its_rows_deletion_is_taken_back(
    api_server: Platform, tmp_path: Path
) -> None:
    place = Kubernetes(api_server.env())
    kubeconfig = Path(api_server.env()["KUBECONFIG"]).read_text()  # noqa: ASYNC240 - a small file
    (server,) = [one["cluster"]["server"] for one in yaml.safe_load(kubeconfig)["clusters"]]
    road = Road(server)
    async with road.open() as url:
        detour = tmp_path / "kubeconfig"
        detour.write_text(kubeconfig.replace(server, url))
        target = await connect(str(detour), place.namespace, IN_FLIGHT)
        metrics = ReconcileMetrics("k8s", CollectorRegistry())
        # The row is gone from the table already: only its events are still on their way.
        reconciler = Reconciler(target, FakeTable(), Nowhere(), Topics("status", "letters"), metrics)
        drift = Drift(reconciler, metrics, correct=True)
        seen: list[RowKey] = []

        def noticed(row: RowKey) -> None:
            seen.append(row)
            drift.notice(row)

        target.listen(noticed)
        await target.start()
        healing = asyncio.create_task(drift.run())
        try:
            await deliver(target, saved(2, 1, "neighbour"))
            road.hold_up()
            (result,) = (await target.deliver([saved(1, 1, "late")])).values()
            assert isinstance(result, Failed)
            assert isinstance(result.error, SlowError)
            assert await deliver(target, deleted(1, 2, "late")) == [Outcome.UNCHANGED]
            road.go_on()

            async def carried_out() -> bool:
                return bool(seen)

            async def taken_back() -> bool:
                return place.observe().keys() == {"neighbour"}

            await until(carried_out)
            await until(taken_back)
            assert seen == [app_config(1)]
        finally:
            healing.cancel()
            await asyncio.gather(healing, return_exceptions=True)
            await target.close()
