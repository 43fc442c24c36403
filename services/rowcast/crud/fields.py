"""Fields that requests and answers of several rooms have: how text of a request becomes a value, and moments text."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic_core import PydanticCustomError

MAX_ID = 2**63 - 1
MAX_BATCH = 1000
"""Elements of one request that changes many."""


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_utc, return_type=str, when_used="json")]


def _decimal(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]{0,18}", value):
        raise PydanticCustomError("integer", "must be a whole number in ASCII digits, at most 63 bits")
    return value


def _number(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", value):
        raise PydanticCustomError("number", "must be a number as in JSON")
    return value


def _boolean(value: object) -> object:
    if isinstance(value, str) and value not in ("true", "false"):
        raise PydanticCustomError("boolean", "must be true or false")
    return value


Decimal = BeforeValidator(_decimal)
"""Of a number in a path or query: Python's own reading takes `7_324`, ` 7`, other scripts' digits and `1.0`, too."""
Number = BeforeValidator(_number)
Boolean = BeforeValidator(_boolean)
"""Of a query's parameter: Pydantic's own reading takes `1`, `on` and `y`, too."""


class Strict(BaseModel):
    """A request's body: no field that isn't known, and no type that nearly fits."""

    model_config = ConfigDict(extra="forbid", strict=True)
