"""What is published of what the engine has read. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from rowcast.capture.engine_settings import HIDDEN
from rowcast.core.messages import ERROR_BYTES, SHORT_BYTES, clip

TOO_LARGE = "too-large"
ORIGINAL_ID = "debeziumid"
"""The attribute with the id that Debezium gave the event: not unique, but it says where the event stands in the log."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the engine's: its topic, its key (JSON) and its value (a CloudEvent, JSON)."""

    topic: str
    key: str | None
    value: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One message for the broker. `key` says which events keep their order; `id` is no other event's."""

    topic: str
    key: str
    id: str
    body: bytes


def events(records: Iterable[Record], run: str, first: int) -> list[Event]:
    """What is published of the records, in their order, with ids that are unique to `run`: some brokers drop what has
    an id that they have seen, and Debezium gives all rows of a snapshot the same one.

    `first` is the number of the first record. An event keeps its id however often it is sent.
    """
    made = []
    for number, record in enumerate(records, start=first):
        if record.value is None or record.topic.startswith(HIDDEN):
            continue
        event = orjson.loads(record.value)
        event_id = f"{run}-{number}"
        body = orjson.dumps({**event, "id": event_id, ORIGINAL_ID: event["id"]})
        made.append(Event(record.topic, row_key(record.key), event_id, body))
    return made


def row_key(key: str | None) -> str:
    """The row's id as text, or the whole key where it has another form."""
    if key is None:
        return ""
    parsed = orjson.loads(key)
    if isinstance(parsed, dict) and len(parsed) == 1:
        return str(next(iter(parsed.values())))
    return key


def letters(event: Event, targets: Iterable[str], error: str, now: str) -> list[dict[str, Any]]:
    """Dead letters of an event that the broker refuses for its size: one for each target, without the event."""
    row = _row(event.body)
    return [
        {
            "row_id": row.get("id"),
            "name": None if row.get("name") is None else clip(str(row["name"]), SHORT_BYTES),
            "generation": row.get("generation"),
            "target": target,
            "reason": TOO_LARGE,
            "error": clip(error, ERROR_BYTES),
            "position": {"event": clip(event.id, SHORT_BYTES), "bytes": str(len(event.body))},
            "event": f"(an event of {len(event.body)} bytes, larger than the broker takes; its row is in the table)",
            "dead_lettered_at": now,
        }
        for target in targets
    ]


def _row(body: bytes) -> dict[str, Any]:
    data = orjson.loads(body).get("data") or {}
    return data.get("after") or data.get("before") or {}
