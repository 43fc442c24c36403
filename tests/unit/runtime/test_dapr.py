import asyncio

import httpx
import pytest
from pydantic import SecretStr

from rowcast.core.errors import TooLargeError, TransientError
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.settings import Settings


def publish(answer: httpx.Response | Exception) -> list[httpx.Request]:
    requests: list[httpx.Request] = []

    def sidecar(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def go() -> None:
        publisher = DaprPublisher(Settings(dapr_api_token=SecretStr("t")), transport=httpx.MockTransport(sidecar))
        async with publisher:
            await publisher.publish("rowcast.sync-status", {"a": 1}, {"partitionKey": "42"})

    asyncio.run(go())
    return requests


def test_an_event_goes_to_the_sidecar_with_its_token() -> None:
    (request,) = publish(httpx.Response(204))
    assert request.url == "http://127.0.0.1:3500/v1.0/publish/pubsub/rowcast.sync-status?metadata.partitionKey=42"
    assert (request.headers["dapr-api-token"], request.content) == ("t", b'{"a":1}')


def test_a_sidecar_that_will_never_reach_its_broker_again_is_ended_to_be_started_anew() -> None:
    asked: list[str] = []

    def sidecar(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(500, text="error when publishing to topic t in pubsub pubsub: nats: connection closed")

    async def go() -> None:
        async with DaprPublisher(Settings(), transport=httpx.MockTransport(sidecar)) as publisher:
            await publisher.publish("t", {})

    with pytest.raises(TransientError, match="connection closed"):
        asyncio.run(go())
    assert asked == ["/v1.0/publish/pubsub/t", "/v1.0/shutdown"]


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(404), httpx.ConnectError("refused")])
def test_an_event_that_is_not_taken_is_a_transient_error(answer: httpx.Response | Exception) -> None:
    with pytest.raises(TransientError, match=r"rowcast\.sync-status"):
        publish(answer)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(413),
        httpx.Response(
            500,
            json={
                "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE",
                "message": "error when publish to topic t in pubsub pubsub: kafka server: Message was too large, server"
                " rejected it to avoid allocation error",
            },
        ),
        httpx.Response(
            500,
            text="kafka: invalid configuration (Attempt to produce message larger than configured"
            " Producer.MaxMessageBytes: 1100000 > 1048576)",
        ),
        httpx.Response(500, text="error when publishing to topic t in pubsub pubsub: nats: maximum payload exceeded"),
        httpx.Response(500, text="error when publishing to topic t in pubsub pubsub: stream too large"),
    ],
)
def test_an_event_that_is_refused_for_its_size_is_told_from_one_that_may_come_again(answer: httpx.Response) -> None:
    with pytest.raises(TooLargeError, match=r"rowcast\.sync-status"):
        publish(answer)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b'{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: a, err: rpc error: code = Internal'
            b' desc = error invoking app channel: Post \\"http://x/preview\\": dial tcp: connection refused"}',
            "500: connection refused",
        ),
        (b'{"detail":"the target is not ready"}', "500: the target is not ready"),
        (b"[1]", "500: [1]"),
        (b"gone", "500: gone"),
    ],
)
def test_why_an_application_does_not_answer_is_told_by_the_innermost_cause(content: bytes, words: str) -> None:
    async def go() -> None:
        transport = httpx.MockTransport(lambda _request: httpx.Response(500, content=content))
        async with DaprPublisher(Settings(), transport=transport) as sidecar:
            await sidecar.call("sync-git", "GET", "live")

    with pytest.raises(TransientError) as raised:
        asyncio.run(go())
    assert str(raised.value) == words
