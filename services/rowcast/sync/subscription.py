"""Dapr's pub/sub over HTTP: what we subscribe to, how its posts read, and how we answer.

Source: Dapr's pub/sub API reference, "Provide a route for Dapr to deliver topic events", and "Bulk subscribe".
An answer without a status, or a 404, would count as done for a whole batch: every entry gets its status here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rowcast.sync.delivery import Entry
from rowcast.sync.settings import SyncSettings

SINGLE_ROUTE = "/events/rows"
BULK_ROUTE = "/events/rows/bulk"
SUCCESS = {"status": "SUCCESS"}
RETRY = {"status": "RETRY"}


def subscriptions(settings: SyncSettings) -> list[dict[str, Any]]:
    """The answer to `GET /dapr/subscribe`."""
    subscription: dict[str, Any] = {"pubsubname": settings.pubsub, "topic": settings.topic}
    if settings.subscription == "single":
        return [{**subscription, "route": SINGLE_ROUTE}]
    bulk = {
        "enabled": True,
        "maxMessagesCount": settings.batch_size,
        "maxAwaitDurationMs": settings.batch_wait_ms,
    }
    return [{**subscription, "route": BULK_ROUTE, "bulkSubscribe": bulk}]


def single(event: object, headers: Mapping[str, str]) -> Entry:
    """One event, posted as it is; brokers that have positions give them as headers `__offset` and the like."""
    return Entry("0", event, {key: value for key, value in headers.items() if key.startswith("__")})


def bulk(body: Mapping[str, Any]) -> list[Entry]:
    """A bulk post's entries, in order. Raises KeyError or TypeError if it isn't one."""
    return [Entry(entry["entryId"], entry.get("event"), entry.get("metadata") or {}) for entry in body["entries"]]


def answer(entries: Sequence[Entry], retry: set[str]) -> dict[str, Any]:
    """The answer to a bulk post."""
    return {"statuses": [{"entryId": e.id, **(RETRY if e.id in retry else SUCCESS)} for e in entries]}
