"""How much is believed of what comes by the broker: sizes, numbers and moments that neither the table nor a reader of
its lists can come to harm by. What is beyond them is refused by name, or clipped where the rest is still worth having.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from rowcast.core.messages import ERROR_BYTES, REFERENCE_BYTES, clip
from rowcast.core.row import APP_CONFIGS, KEY_MAX, RENDERER

MOST = 2**53 - 1
"""Of ids and generations: JSON's readers round what is above."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)
DEEPEST = 64
"""Of nested JSON: deeper, its readers and writers end in errors of their own."""


def _believable(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= datetime.now(UTC) + timedelta(days=1):
        raise PydanticCustomError("moment", "must be between the year 2000 and tomorrow")
    return moment.astimezone(UTC)


def _by_our_clock(moment: datetime) -> datetime:
    """Somebody's clock may be ahead of ours: what it says then would outlive every later word."""
    if moment < EARLIEST:
        raise PydanticCustomError("moment", "must not be before the year 2000")
    return min(moment, datetime.now(UTC)).astimezone(UTC)


def _clipped(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: clip(value, limit) if isinstance(value, str) else value)


Number = Annotated[int, Field(ge=0, le=MOST, strict=True)]
Id = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Moment = Annotated[AwareDatetime, AfterValidator(_believable)]
"""When something was; refused where it can't have been."""
Now = Annotated[AwareDatetime, AfterValidator(_by_our_clock)]
"""When something was told; never later than our own clock."""
Error = Annotated[str, _clipped(ERROR_BYTES)]
Reference = Annotated[str, _clipped(REFERENCE_BYTES)]


RendererName = Annotated[str, Field(pattern=rf"^{RENDERER.pattern}$")]
Key = Annotated[str, Field(min_length=1, max_length=KEY_MAX, pattern=r"^[^\x00]+$")]
"""A row's, within its renderer."""
_ID = re.compile(r"[1-9][0-9]{0,15}")


def named(data: Any) -> Any:
    """A message by its row's renderer and key, where it names a configuration by its id alone."""
    if not isinstance(data, dict) or "row_id" not in data or data.get("renderer") is not None:
        return data
    row_id = data["row_id"]
    known = type(row_id) is int
    return {**data, "renderer": APP_CONFIGS if known else None, "key": str(row_id) if known else None}


def check_key(renderer: str, key: str) -> None:
    """Raises ValueError for a key that no row of the renderer can have: a configuration's is its id."""
    if renderer == APP_CONFIGS and not (_ID.fullmatch(key) and int(key) <= MOST):
        raise PydanticCustomError("key", "must be an id, from 1 to 2^53 - 1")


def depth(value: Any) -> int:
    """How deeply JSON is nested; counts no further than DEEPEST + 1."""
    level, found = [value], 0
    while level and found <= DEEPEST:
        found += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return found
