"""Dapr's pub/sub over HTTP: what we subscribe to, how its posts read, and how we answer.

Source: Dapr's pub/sub API reference, "Provide a route for Dapr to deliver topic events", and "Bulk subscribe".
An answer without a status, or a 404, would count as done for a whole batch: every entry gets its status here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from rowcast.core.broker import SUBSCRIPTION_METADATA
from rowcast.core.messages import replayed
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
        {
            **_subscription(settings, replay_topic, REPLAYS, REPLAYS_BULK),
            "metadata": {**SUBSCRIPTION_METADATA, "rawPayload": "true"},
        },
    ]


def _subscription(settings: SyncSettings, topic: str, single_route: str, bulk_route: str) -> dict[str, Any]:
    subscription: dict[str, Any] = {"pubsubname": settings.pubsub, "topic": topic, "metadata": SUBSCRIPTION_METADATA}
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


def bulk(body: bytes | Mapping[str, Any]) -> list[Entry]:
    """A bulk post's entries, in order; one that can't be read is text, alone. Raises ValueError if it isn't one.

    An entry without an id can't be answered, and has the empty one.
    """
    whole = parsed(body) if isinstance(body, bytes) else body
    if isinstance(body, bytes) and isinstance(whole, str):
        whole = _in_part(body)  # to a parser, what is wrong with one entry is wrong with the whole
    entries = whole.get("entries") if isinstance(whole, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("not a batch: no object with a list of entries")
    return [_entry(one) for one in entries]


def single_raw(body: bytes, headers: Mapping[str, str]) -> Entry:
    """One message of any kind, which the sidecar has wrapped; without its wrapping it is kept as it came."""
    envelope = parsed(body)
    message = _unpacked(envelope.get("data_base64", envelope) if isinstance(envelope, dict) else envelope)
    return _replay(single(message, headers))


def bulk_raw(body: bytes) -> list[Entry]:
    """A bulk post of messages of any kind, in order. Raises ValueError if it isn't one."""
    return [_replay(Entry(entry.id, _unpacked(entry.event), entry.position)) for entry in bulk(body)]


def _replay(entry: Entry) -> Entry:
    event, letter_id = replayed(entry.event)
    return replace(entry, event=event, replay_of=letter_id)


def parsed(body: bytes) -> object:
    """What isn't JSON is kept as text, for the dead letter; so is what can be read, but not be written again: nested
    too deeply.
    """
    try:
        value = orjson.loads(body)
        orjson.dumps(value)
    except (orjson.JSONDecodeError, TypeError):
        return body.decode(errors="replace")
    return value


def _entry(value: object) -> Entry:
    if not isinstance(value, dict):
        return Entry("", value)
    found, position = value.get("entryId"), value.get("metadata")
    return Entry(
        found if isinstance(found, str) else "",
        value.get("event"),
        {key: one for key, one in position.items() if isinstance(one, str)} if isinstance(position, dict) else {},
    )


_TOKEN = re.compile(rb'"(?:[^"\\]+|\\.)*+"|[\[{]+|[\]}]+|,', re.DOTALL)
"""Strings, and what gives JSON its structure; brackets in a row count as one."""


def _in_part(body: bytes) -> object:
    """A bulk body that no parser takes whole: each of its entries, and each entry's parts, by itself.

    Without recursion, so that no depth is too deep, and without judging what is between the brackets.
    """
    fields = _fields(body)
    if fields is None or "entries" not in fields:
        return None
    entries = fields["entries"].strip()
    if not (entries.startswith(b"[") and entries.endswith(b"]")):
        return None
    return {"entries": [_entry_in_part(part) for part in _parts(entries[1:-1])]}


def _entry_in_part(part: bytes) -> object:
    value = parsed(part)
    fields = _fields(part) if isinstance(value, str) else None
    return value if fields is None else {name: parsed(text) for name, text in fields.items()}


def _fields(text: bytes) -> dict[str, bytes] | None:
    """An object's members, unparsed; None for what is no object."""
    text = text.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return None
    fields: dict[str, bytes] = {}
    for part in _parts(text[1:-1]):
        name = _TOKEN.match(part.lstrip())
        if name is None:
            continue
        key, rest = parsed(name[0]), part.lstrip()[name.end() :].lstrip()
        if isinstance(key, str) and rest.startswith(b":"):
            fields[key] = rest[1:]
    return fields


def _parts(inside: bytes) -> Iterator[bytes]:
    """What is between the commas of a list's or an object's own, not of one inside it."""
    start = depth = 0
    for token in _TOKEN.finditer(inside):
        first = token[0][:1]
        if first in b"[{":
            depth += len(token[0])
        elif first in b"]}":
            depth -= len(token[0])
        elif first == b"," and depth == 0:
            yield inside[start : token.start()]
            start = token.end()
    if inside[start:].strip():
        yield inside[start:]


def _unpacked(encoded: object) -> object:
    if not isinstance(encoded, str):
        return encoded
    try:
        return parsed(base64.b64decode(encoded, validate=True))
    except ValueError:
        return encoded


def answer(entries: Sequence[Entry], retry: set[str]) -> dict[str, Any]:
    """The answer to a bulk post: for each entry that has an id."""
    return {"statuses": [{"entryId": e.id, **(RETRY if e.id in retry else SUCCESS)} for e in entries if e.id]}
