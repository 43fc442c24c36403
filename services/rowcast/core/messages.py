"""The shapes that cross a wire, built in one place and bounded: a status message, and text from elsewhere. Pure.

Brokers refuse large messages (Kafka above a megabyte by default, some below 256 KiB), and what is refused for its size
is refused for ever: so texts are clipped, and messages split by their bytes before they are published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.ports import Delivered, Failed, News
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, identity

ERROR_BYTES = 2 * 1024
SHORT_BYTES = 200
"""Of any text, where the broker takes less than we thought."""
REFERENCE_BYTES = 512
LINK_CHARACTERS = 2048
MESSAGE_BYTES = 128 * 1024
"""Of a message with statuses, as others may write it; half of what the most frugal brokers take."""
ENGINE_BYTES = 64 * 1024
"""Of what a GitOps engine says of all rows together, at most a thousand of them."""
AHEAD = timedelta(hours=1)
"""A moment further ahead of our own clock than this is no moment that a change was saved."""

Status = dict[str, Any]


def clip(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, and whether it was more; without what neither JSON nor a database can hold."""
    raw = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="backslashreplace")
    if len(raw) <= limit:
        return raw.decode()
    note = f"… ({len(text)} characters)"
    return raw[: limit - len(note.encode())].decode(errors="ignore") + note


def wire_bytes(value: object) -> int:
    """The most bytes that JSON-able data can take, whoever writes it: sidecars escape `<`, `>` and `&` on their way."""
    text = json.dumps(value)
    return len(text) + 5 * sum(map(text.count, "<>&"))


def row_of(message: Mapping[str, Any]) -> RowKey:
    """The row that a status of ours is about."""
    return RowKey(message["renderer"], message["key"])


def status(
    row: Desired | News,
    result: Delivered | Failed,
    delivered_at: str,
    *,
    captured_at: str | None = None,
    outcome: str | None = None,
    cause: str | None = None,
) -> Status:
    """What became of a row, as an entry of a status message.

    Every status is made here, so that none lacks what another has. `delivered_at` is now, RFC 3339. `outcome` is that
    of the result, unless given; for a failure it must be.
    """
    arrived = result if isinstance(result, Delivered) else None
    error = result.trouble if isinstance(result, Delivered) else str(result.error)
    reference, link = (arrived.reference, arrived.link) if arrived else (None, None)
    made: Status = {
        **identity(row.row),
        "name": row.name,
        "generation": row.generation,
        "outcome": str(arrived.outcome if arrived and outcome is None else outcome),
        "deleted": row.deleted,
        "reference": None if reference is None else clip(reference, REFERENCE_BYTES),
        "error": None if error is None else clip(error, ERROR_BYTES),
        "stage": arrived.stage if arrived else None,
        "stage_error": arrived.stage_error if arrived else None,
        "staged_at": arrived.staged_at if arrived else None,
        "link": link if link is None or len(link) <= LINK_CHARACTERS else None,
        "saved_at": _believed(row.saved_at, delivered_at),
        "captured_at": captured_at,
        "delivered_at": delivered_at,
    }
    if cause is not None:
        made["cause"] = cause
    return made


def status_message(target: str, statuses: Iterable[Status], progress: object = None) -> dict[str, Any]:
    """One message to the status topic. `progress` is a GitOps engine's, or `none` where no engine follows."""
    message: dict[str, Any] = {"target": target, "statuses": list(statuses)}
    if progress is not None:
        message["progress"] = _bounded(progress) if isinstance(progress, Mapping) else progress
    return message


REPLAY_OF = "rowcastReplayOf"


def replay_message(event: object, letter_id: int, message_id: str) -> dict[str, Any]:
    """A dead letter's event on its way to its target once more.

    In an envelope: its id has to be another one each time, since a broker may drop what it has seen; and the target has
    to say of which letter it has come.
    """
    return {"id": message_id, REPLAY_OF: letter_id, "event": event}


def replayed(message: object) -> tuple[object, int | None]:
    """The event in such an envelope, and its letter's id; anything else is itself the event."""
    if isinstance(message, Mapping) and message.keys() == {"id", REPLAY_OF, "event"}:
        letter_id = message[REPLAY_OF]
        if type(letter_id) is int:
            return message["event"], letter_id
    return message, None


def _bounded(progress: Mapping[str, Any]) -> dict[str, Any]:
    """An engine may say much of many rows: the more of them, the less of each."""
    message, errors = progress.get("message"), progress.get("errors") or {}
    each = min(ERROR_BYTES, ENGINE_BYTES // max(len(errors), 1))
    return {
        **progress,
        "message": None if message is None else clip(message, ERROR_BYTES),
        "errors": {row: clip(text, each) for row, text in errors.items()},
    }


def status_messages(target: str, statuses: Iterable[Status], limit: int = MESSAGE_BYTES) -> Iterator[dict[str, Any]]:
    """As few messages as hold all of these, in their order, each of at most `limit` bytes."""
    some: list[Status] = []
    room = limit
    for one in statuses:
        size = wire_bytes(one) + 1
        if some and size > room:
            yield status_message(target, some)
            some, room = [], limit
        some.append(one)
        room -= size
    if some:
        yield status_message(target, some)


def shortened(one: Mapping[str, Any]) -> Status:
    """A status without what it can do without, for a broker that does not take even one."""
    texts = {name: None if one[name] is None else clip(one[name], SHORT_BYTES) for name in ("error", "stage_error")}
    return {**one, **texts, "link": None}


def _believed(moment: str | None, now: str) -> str | None:
    try:
        ahead = moment is not None and datetime.fromisoformat(moment) - datetime.fromisoformat(now) > AHEAD
    except (ValueError, TypeError, OverflowError):
        return None
    return None if ahead else moment
