"""Keyset pagination: pages, and opaque cursors that tell where a page ended and in which order."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, func, literal, select

from rowcast.crud.errors import FieldError

_VERSION = 1
_MAX_LENGTH = 12_000
"""More than a key, which has 2,600 bytes at most, and a value by which rows are sorted come to; what is escaped in them
may be several times as long.
"""
COUNTED = 10_000
"""The most that a list counts: a person reads no further, and each page would count a million rows again."""


@dataclass(frozen=True)
class Cursor:
    """After the row with this sort key and id, in the order `sort` (such as `-updated_at`)."""

    sort: str
    key: str
    row_id: int


@dataclass(frozen=True)
class Page:
    """Rows of one page, the cursor after them (None at the end) and the number of rows in the whole list.

    `total_capped`: there are more than `total`.
    """

    rows: Sequence[RowMapping]
    next_cursor: Cursor | None
    total: int
    total_capped: bool = False


def counted(connection: Connection, source: FromClause, conditions: Sequence[ColumnElement[bool]]) -> tuple[int, bool]:
    """How many rows fulfil all conditions, and whether there are more: from COUNTED on nobody reads on for a number."""
    some = select(literal(1)).select_from(source).where(*conditions).limit(COUNTED + 1).subquery()
    number: int = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return min(number, COUNTED), number > COUNTED


def encode(cursor: Cursor) -> str:
    """URL-safe text, whose inside is nobody's business."""
    values = [_VERSION, cursor.sort, cursor.key, cursor.row_id]
    raw = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> Cursor:
    """The inverse of `encode`. Raises FieldError (field `cursor`, rule `cursor`) for anything else."""
    try:
        if len(text) > _MAX_LENGTH:
            raise ValueError
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, sort, key, row_id = json.loads(raw)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise _invalid() from None
    well_typed = isinstance(sort, str) and isinstance(key, str) and type(row_id) is int and 0 <= row_id < 2**63
    if version != _VERSION or not well_typed or "\x00" in key:
        raise _invalid()
    cursor = Cursor(sort, key, row_id)
    try:
        as_given = encode(cursor) == text
    except UnicodeEncodeError:  # half a character
        raise _invalid() from None
    if not as_given or not _key_fits(cursor):
        raise _invalid()
    return cursor


def decode_of(text: str | None, sort: str) -> Cursor | None:
    """That of one list, None where none is given. Raises FieldError as `decode` does, and for one of another list."""
    cursor = decode(text) if text is not None else None
    if cursor is not None and cursor.sort != sort:
        raise FieldError("cursor", "cursor", "is not a cursor of this list")
    return cursor


def _key_fits(cursor: Cursor) -> bool:
    """Whether the key of a list that is sorted by time or id is one as `encode` gets it."""
    try:
        match cursor.sort.removeprefix("-"):
            case "updated_at":
                moment = datetime.fromisoformat(cursor.key)
                return moment.utcoffset() is not None and moment.astimezone(UTC).isoformat() == cursor.key
            case "id":
                return 0 <= int(cursor.key) < 2**63 and str(int(cursor.key)) == cursor.key
            case _:
                return True
    except (ValueError, OverflowError):
        return False


def _invalid() -> FieldError:
    return FieldError("cursor", "cursor", "is not a cursor that this API gave out")
