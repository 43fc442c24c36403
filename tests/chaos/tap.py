"""A sidecar of nobody's that hears every change event, and can say what it likes: for repeating and for poisoning."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from chaos.serving import serving
from rowcast_local.platform import Platform
from stray import PORTS, own_sidecar

TOPIC = "rowcast.public.app_configs"
KEPT = 5_000


class Tap:
    """The last events, as sync gets them, oldest first; and a publisher to their topic."""

    def __init__(self, port: int) -> None:
        self.events: deque[Any] = deque(maxlen=KEPT)
        self.publisher = httpx.Client(timeout=20, trust_env=False)
        self._port = port

    def publish(self, body: str, key: str) -> None:
        """Write something to the topic. Raises httpx.HTTPError."""
        params = {"metadata.rawPayload": "true", "metadata.partitionKey": key}
        self.publisher.post(f"/v1.0/publish/pubsub/{TOPIC}", content=body, params=params).raise_for_status()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve in a thread."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/dapr/subscribe", self._subscribe)
        app.router.add_post("/heard", self._hear)
        with serving(app, self._port, "the tap"):
            yield

    async def _subscribe(self, _request: web.Request) -> web.Response:
        return web.json_response([{"pubsubname": "pubsub", "topic": TOPIC, "route": "/heard"}])

    async def _hear(self, request: web.Request) -> web.Response:
        with suppress(ValueError):  # poison of ours
            self.events.append(json.loads(await request.read()))
        return web.json_response({"status": "SUCCESS"})


@contextmanager
def tapping(platform: Platform, ports: dict[str, int], folder: Path) -> Iterator[Tap]:
    """Start tap and sidecar; `ports` has the tap's own, and the sidecar's four with `tap-` before their names."""
    own = {kind: ports[f"tap-{kind}"] for kind in PORTS}
    tap = Tap(ports["tap"])
    with tap.publisher, tap.listening(), own_sidecar(platform, "tap", folder, own, ports["tap"]) as sidecar:
        tap.publisher.base_url = httpx.URL(sidecar.url)
        yield tap
