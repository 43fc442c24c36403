"""The sidecar, as capture publishes through it: many small requests over a few connections."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from rowcast.capture.events import Event
from rowcast.core.broker import Publisher as NativePublisher
from rowcast.core.errors import PermanentError, TransientError
from rowcast.runtime.dapr import SHUTDOWN, has_given_up, refused
from rowcast.runtime.settings import Settings

TIMEOUT_SECONDS = 60.0
"""Longer than the sidecar itself goes on trying: what we gave up on could still arrive after what came later."""
_EVENT = {"content-type": "application/cloudevents+json"}
_DATA = {"content-type": "application/json"}


class CaptureSidecar:
    """Publishes to one pub/sub component. Open it and close it in the loop that uses it."""

    def __init__(self, settings: Settings) -> None:
        token = settings.dapr_api_token
        self._root = f"http://127.0.0.1:{settings.dapr_http_port}"
        self._base = f"{self._root}/v1.0"
        self._topics = f"{self._base}/publish/{settings.pubsub}"
        self._headers = {"dapr-api-token": token.get_secret_value()} if token else {}
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Make it ready."""
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            trust_env=False,  # a proxy has no business between an application and its own sidecar
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    most = 1
    """Dapr's bulk publish sends all at once, and loses their order."""

    async def send(self, events: Sequence[Event]) -> None:
        """Return once the broker has the event, which is alone. Raises TransientError, TooLargeError."""
        (event,) = events
        # Kafka alone knows the key; others ignore it.
        url = f"{self._topics}/{event.topic}?metadata.partitionKey={quote(event.key, safe='')}"
        await self._post(url, event.topic, event.body, _EVENT)

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """Return once the broker has the message. Raises TransientError, TooLargeError."""
        query = "&".join(f"metadata.{key}={quote(value, safe='')}" for key, value in (metadata or {}).items())
        await self._post(f"{self._topics}/{topic}?{query}", topic, orjson.dumps(data), _DATA)

    async def check(self) -> None:
        """Whether the sidecar and its components are well. Raises TransientError if not."""
        try:
            async with self._opened.get(URL(f"{self._base}/healthz")) as answer:
                if answer.status >= 400:
                    raise TransientError(f"the sidecar answered {answer.status}: {(await answer.text())[:200]}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"the sidecar doesn't answer: {_text(error)}") from error

    async def _post(self, url: str, topic: str, body: bytes, headers: dict[str, str]) -> None:
        try:
            async with self._opened.post(URL(url, encoded=True), data=body, headers=headers) as answer:
                if answer.status >= 400:
                    text = await answer.text(errors="replace")
                    if has_given_up(text):
                        await self._end_sidecar()
                    raise refused(topic, answer.status, text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"cannot publish to {topic}: {_text(error)}") from error

    async def _end_sidecar(self) -> None:
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._opened.post(f"{self._root}{SHUTDOWN}"):
                pass

    @property
    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise TransientError("the connection to the sidecar is not open")
        return self._session


class NativeSender:
    """Events go to the broker itself, since Dapr's component would call done what it has not confirmed.

    Dead letters go through the sidecar all the same: crud takes their loss for none (`ROWCAST_BROKER_CONFIRMS`).
    """

    most = 500

    def __init__(self, publisher: NativePublisher, sidecar: CaptureSidecar) -> None:
        self._publisher = publisher
        self._sidecar = sidecar

    async def send(self, events: Sequence[Event]) -> None:
        """Return once the broker has confirmed all of them. Raises TransientError, TooLargeError."""
        try:
            await self._publisher.publish(events[0].topic, [event.body for event in events])
        except PermanentError as error:
            # A missing right or a wrong login: somebody will put it right, and the event waits for that.
            raise TransientError(str(error)) from error

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """As the sidecar."""
        await self._sidecar.publish(topic, data, metadata)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
