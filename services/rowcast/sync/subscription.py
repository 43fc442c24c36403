"""Dapr's pub/sub over HTTP: what we subscribe to, how its posts read, and how we answer.

Source: Dapr's pub/sub API reference, "Provide a route for Dapr to deliver topic events", and "Bulk subscribe".
An answer without a status, or a 404, would count as done for a whole batch: every entry gets its status here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from rowcast.sync.batch import Entry
from rowcast.sync.settings import SyncSettings

SINGLE_ROUTE = "/events/rows"
BULK_ROUTE = "/events/rows/bulk"
REPLAYS = "/events/replays"
REPLAYS_BULK = "/events/replays/bulk"
SUCCESS = {"status": "SUCCESS"}
RETRY = {"status": "RETRY"}


def subscriptions(settings: SyncSettings) -> list[dict[str, Any]]:
    """The answer to `GET /dapr/subscribe`: the changes, and what is to be delivered once more.

    What isn't JSON the sidecar would retry for ever, and its neighbours with it. As a dead letter of the *sidecar's* it
    goes to the other topic, and from there raw through the same delivery, which can give a reason. So does anything
    else that ends there, as in a cluster without our resiliency policy: nothing is lost, and the fence judges it.
    """
    replay_topic = settings.replay_topic(settings.target)
    return [
        {**_subscription(settings, settings.topic, SINGLE_ROUTE, BULK_ROUTE), "deadLetterTopic": replay_topic},
        {**_subscription(settings, replay_topic, REPLAYS, REPLAYS_BULK), "metadata": {"rawPayload": "true"}},
    ]


def _subscription(settings: SyncSettings, topic: str, single_route: str, bulk_route: str) -> dict[str, Any]:
    subscription: dict[str, Any] = {"pubsubname": settings.pubsub, "topic": topic}
    if settings.subscription == "single":
        return {**subscription, "route": single_route}
    bulk = {
        "enabled": True,
        "maxMessagesCount": settings.batch_size,
        "maxAwaitDurationMs": settings.batch_wait_ms,
    }
    return {**subscription, "route": bulk_route, "bulkSubscribe": bulk}


def single(event: object, headers: Mapping[str, str]) -> Entry:
    """One event, posted as it is; brokers that have positions give them as headers `__offset` and the like."""
    return Entry("0", event, {key: value for key, value in headers.items() if key.startswith("__")})


def bulk(body: Mapping[str, Any]) -> list[Entry]:
    """A bulk post's entries, in order. Raises KeyError or TypeError if it isn't one."""
    return [Entry(entry["entryId"], entry.get("event"), entry.get("metadata") or {}) for entry in body["entries"]]


def single_raw(envelope: Any, headers: Mapping[str, str]) -> Entry:
    """One message of any kind, which the sidecar has wrapped. Raises KeyError or TypeError if it isn't."""
    return single(_unpacked(envelope["data_base64"]), headers)


def bulk_raw(body: Mapping[str, Any]) -> list[Entry]:
    """A bulk post of messages of any kind, in order. Raises KeyError or TypeError if it isn't one."""
    return [Entry(entry.id, _unpacked(entry.event), entry.position) for entry in bulk(body)]


def parsed(body: bytes) -> object:
    """What isn't JSON is kept as text, for the dead letter."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def _unpacked(encoded: object) -> object:
    if not isinstance(encoded, str):
        return encoded
    try:
        return parsed(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        return encoded


def answer(entries: Sequence[Entry], retry: set[str]) -> dict[str, Any]:
    """The answer to a bulk post."""
    return {"statuses": [{"entryId": e.id, **(RETRY if e.id in retry else SUCCESS)} for e in entries]}
