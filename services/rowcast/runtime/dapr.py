"""The sidecar's API over HTTP: publishing, and asking other applications."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Self

import httpx
import orjson

from rowcast.core.errors import TooLargeError, TransientError
from rowcast.runtime.settings import Settings

_TOO_LARGE = (
    "message was too large",
    "message_too_large",
    "larger than configured",
    "size exceeds",
    "exceeds the maximum",
    "maximum payload exceeded",
    "too large",
)
"""What is said of a message that is larger than is taken, in lower case. The first three are Kafka's (sarama),
"payload" is NATS', and "stream too large" the sidecar's own, before Redis and RabbitMQ have anything to say (seen at
the real ones, tests/contract/brokers). The sidecar has one status, 500, for whatever goes wrong at the broker.
"""


_GIVEN_UP = "nats: connection closed"
SHUTDOWN = "/v1.0/shutdown"
"""Ends the sidecar; whoever keeps it running starts it again. Source: Dapr's health API reference."""


class DaprPublisher:
    """Publishes to topics of one pub/sub component; an async context manager that closes its connections."""

    def __init__(
        self, settings: Settings, time_limit: float = 10.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        token = settings.dapr_api_token
        self._pubsub = settings.pubsub
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.dapr_http_port}",
            headers={"dapr-api-token": token.get_secret_value()} if token else {},
            timeout=time_limit,
            transport=transport,
            trust_env=False,  # a proxy has no business between an application and its own sidecar
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections to the sidecar."""
        await self._client.aclose()

    async def check(self) -> None:
        """Whether the sidecar is well, by its own word. Raises TransientError if it isn't, or doesn't answer."""
        try:
            response = await self._client.get("/v1.0/healthz")
        except httpx.HTTPError as error:
            raise TransientError(f"the sidecar doesn't answer: {str(error) or type(error).__name__}") from error
        if response.is_error:
            raise TransientError(f"the sidecar answered {response.status_code}: {response.text[:200]}")

    async def invoke(self, app_id: str, path: str) -> Any:
        """The JSON that `GET path` of another application gives. Raises TransientError for any other answer."""
        try:
            response = await self._client.get(path, headers={"dapr-app-id": app_id})
        except httpx.HTTPError as error:
            raise TransientError(f"the sidecar doesn't answer: {str(error) or type(error).__name__}") from error
        if response.is_error:
            raise TransientError(f"{response.status_code}: {response.text[:300]}")
        return orjson.loads(response.content)

    async def call(
        self,
        app_id: str,
        method: str,
        path: str,
        body: Any = None,
        expected: Collection[int] = (),
        time_limit: float | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON of another application's answer: a success, or one of `expected`.

        Raises TransientError for any other, and when there is none within `time_limit` seconds.
        """
        headers = {"dapr-app-id": app_id} | ({"content-type": "application/json"} if body is not None else {})
        content = None if body is None else orjson.dumps(body)
        limit = httpx.USE_CLIENT_DEFAULT if time_limit is None else time_limit
        try:
            response = await self._client.request(method, path, headers=headers, content=content, timeout=limit)
        except httpx.HTTPError as error:
            raise TransientError(f"the sidecar doesn't answer: {str(error) or type(error).__name__}") from error
        if response.is_error and response.status_code not in expected:
            raise TransientError(f"{response.status_code}: {_words(response)}")
        try:
            return response.status_code, orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise TransientError(f"{response.status_code}: the answer is not JSON") from error

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        """Publishes `data` (JSON-able), which the sidecar wraps as a CloudEvent; returns once the broker has it.

        `metadata` is the component's own, such as `{"partitionKey": "42"}`.
        Raises TransientError if the sidecar or the broker doesn't take it, TooLargeError if that is for its size.
        """
        try:
            response = await self._client.post(
                f"/v1.0/publish/{self._pubsub}/{topic}",
                content=orjson.dumps(data),
                headers={"content-type": "application/json"},
                params={f"metadata.{key}": value for key, value in (metadata or {}).items()},
            )
        except httpx.HTTPError as error:
            raise TransientError(f"cannot publish to {topic}: {str(error) or type(error).__name__}") from error
        if response.is_error:
            if has_given_up(response.text):
                await self.end()
            raise refused(topic, response.status_code, response.text)

    async def end(self) -> None:
        """Ends the sidecar, which whoever keeps it running starts anew."""
        with suppress(httpx.HTTPError):
            await self._client.post(SHUTDOWN)


def has_given_up(text: str) -> bool:
    """Whether a refusal means that this sidecar will never reach its broker again, until it is started anew.

    JetStream's component tries to connect again sixty times, which is two minutes, and then never (nats.go,
    DefaultMaxReconnect). What it is subscribed to is silent from then on.
    """
    return _GIVEN_UP in text


def refused(topic: str, status: int, text: str) -> TransientError:
    """What a sidecar's answer to a publish means, which was not a success."""
    large = status == httpx.codes.REQUEST_ENTITY_TOO_LARGE or any(words in text.lower() for words in _TOO_LARGE)
    error = TooLargeError if large else TransientError
    return error(f"cannot publish to {topic}: sidecar answered {status}: {text[:200]}")


def _words(response: httpx.Response) -> str:
    """What went wrong, out of a sidecar's or an application's error; of a chain of causes the innermost."""
    try:
        told = orjson.loads(response.content)
        message = str(told.get("detail") or told["message"])
    except (orjson.JSONDecodeError, AttributeError, KeyError):
        message = response.text
    innermost = message.rpartition(": ")[2] if "rpc error" in message else message
    return innermost[:300]
