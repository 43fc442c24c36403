"""The sidecar's CloudEvents, and what crud answers to each."""

from typing import Any

import orjson
from pydantic import ValidationError

from rowcast.core.messages import ERROR_BYTES, clip

SUCCESS = {"status": "SUCCESS"}
DROP = {"status": "DROP"}


def event_data(body: bytes) -> Any:
    """What the sidecar's CloudEvent carries. Raises ValueError if there is nothing such."""
    event = orjson.loads(body)
    if not isinstance(event, dict) or "data" not in event:
        raise ValueError("the event has no data")
    return event["data"]


def summary(error: ValidationError) -> str:
    """One line: fields and reasons, no values."""
    reasons = (f"{'.'.join(map(str, e['loc'])) or 'data'}: {e['msg']}" for e in error.errors(include_input=False))
    return clip("; ".join(reasons), ERROR_BYTES)
