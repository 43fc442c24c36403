"""What is published of what the engine has read. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rowcast.capture.engine_settings import HIDDEN
from rowcast.core.messages import ERROR_BYTES, SHORT_BYTES, clip
from rowcast.core.row import APP_CONFIGS, RowKey, app_config, identity

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
        event = _parsed(record.value)
        event_id = f"{run}-{number}"
        body = orjson.dumps({**event, "id": event_id, ORIGINAL_ID: event["id"]})
        made.append(Event(record.topic, row_key(record.key), event_id, body))
    return made


def row_key(key: str | None) -> str:
    """The row as `renderer/key`, or the record's whole key where it is another table's."""
    if key is None:
        return ""
    columns = orjson.loads(key)
    row = _row_of(columns) if isinstance(columns, dict) else None
    return str(row) if row else key


def letters(event: Event, targets: Iterable[str], error: str, now: str) -> list[dict[str, Any]]:
    """Dead letters of an event that the broker refuses for its size: one for each target, without the event."""
    row = _row(event.body)
    named = _row_of(row)
    # crud takes letters with the same event for one: so it says of which row, and which change of it.
    instead = (
        f"(the event of {named} at generation {row.get('generation')}: {len(event.body)} bytes,"
        " larger than the broker takes; the row is in the table)"
    )
    return [
        {
            **identity(named),
            "name": _name(row),
            "generation": row.get("generation"),
            "target": target,
            "reason": TOO_LARGE,
            "error": clip(error, ERROR_BYTES),
            "position": {"event": clip(event.id, SHORT_BYTES), "bytes": str(len(event.body))},
            "event": clip(instead, ERROR_BYTES),
            "dead_lettered_at": now,
        }
        for target in targets
    ]


def _name(row: Mapping[str, Any]) -> str | None:
    """A configuration's, which in `rowcast.rows` stands in a column of JSON; other rows have none."""
    its = orjson.loads(row["row"]) if row.get("renderer") == APP_CONFIGS else row
    return None if its.get("name") is None else clip(str(its["name"]), SHORT_BYTES)


def _row_of(columns: Mapping[str, Any]) -> RowKey | None:
    """The row that columns, or those of its primary key alone, are of, in either captured table."""
    if "renderer" in columns:
        return RowKey(columns["renderer"], columns["key"])
    return app_config(columns["id"]) if "id" in columns else None


def _parsed(value: str) -> dict[str, Any]:
    """A CloudEvent. A text that the connector has cut may end in half a character, of which `?` is left."""
    try:
        event: dict[str, Any] = orjson.loads(value)
    except orjson.JSONDecodeError:
        event = orjson.loads(json.dumps(json.loads(value), ensure_ascii=False).encode(errors="replace"))
    return event


def _row(body: bytes) -> dict[str, Any]:
    data = orjson.loads(body).get("data") or {}
    return data.get("after") or data.get("before") or {}
