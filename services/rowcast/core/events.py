"""Change events: Debezium's CloudEvents decoded into rows.

Source of the format: Debezium's documentation, "Exporting CloudEvents", JSON with JSON data. Ordering and fencing use
only what is in the payload (row id, generation, LSN), since brokers other than Kafka carry no key and no offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from rowcast.core.errors import PermanentError
from rowcast.core.repository_urls import URL_MAX
from rowcast.core.rules import BRANCH_MAX, USER_MAX, check_label

UNDECODABLE = "undecodable"
UNKNOWN_TABLE = "unknown-table"
INCOMPLETE = "incomplete"

PLACEHOLDER = "__debezium_unavailable_value"
"""What Debezium writes for a value that it hasn't: one kept out of line (TOAST) that an update left as it was."""

MAX_NUMBER = 2**63 - 1
"""PostgreSQL's bigint."""
_DIGITS = 19
_TIME_MAX = 64
_QUOTED = 60
"""Characters of a wrong value that an error repeats."""
_YEARS = range(1970, 3000)
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Op(StrEnum):
    """Debezium's `op` codes that carry a row."""

    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"
    READ = "r"


@dataclass(frozen=True, slots=True)
class AppConfig:
    """One row of `app_configs`. Times are RFC 3339 strings, as the connector writes them."""

    id: int
    name: str
    repository_url: str
    branch: str
    environment: str
    generation: int
    created_at: str
    updated_at: str
    updated_by: str
    updated_by_verified: bool = False
    """Whether a login vouches for `updated_by`. Without it that is a name that somebody has typed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One decoded change event. `row` is the state after it or, for a deletion, the last state before it."""

    table: str
    op: Op
    row: AppConfig
    lsn: int
    saved_at: str | None
    traceparent: str | None = None
    """The trace (W3C Trace Context) of the transaction that made this very change, if that had one."""
    transaction: int | None = None
    """The id (32 bits) of the transaction that made the change; None for a row that was read."""
    missing: tuple[str, ...] = ()
    """Columns that the event doesn't have, and `row` neither: only the table can tell them."""
    follows: int = 0
    """The lowest generation of the unbroken run of events that ends with this one; 0 if it is not known."""

    @property
    def deleted(self) -> bool:
        """Whether the row is gone after this change."""
        return self.op is Op.DELETE

    @property
    def order(self) -> tuple[int, bool]:
        """Rises with every change of one row: by generation, and a deletion after the update of its generation."""
        return (self.row.generation, self.deleted)


def decode(event: object, *, partly: bool = False) -> Change:
    """Decode a CloudEvent (parsed JSON) into a `Change`. Total: nothing else is raised, whatever it is given.

    `partly`: let events through whose row has columns `missing`, for a caller that asks the table for them.
    Raises PermanentError (`undecodable`, `unknown-table`, `incomplete`), naming the field and the rule.
    """
    envelope = _mapping(event, "event")
    table = _text(envelope, "iodebeziumtable")
    decode_row = _ROWS.get(table)
    if decode_row is None:
        raise PermanentError(UNKNOWN_TABLE, f"iodebeziumtable: no renderer for table {_quoted(table)}")
    op = _op(envelope)
    side = "before" if op is Op.DELETE else "after"
    data = _mapping(envelope.get("data"), "data")
    row = _mapping(data.get(side), f"data.{side}")
    transaction = _number(envelope, "iodebeziumtxId") if envelope.get("iodebeziumtxId") is not None else None
    missing = _missing(row, op is Op.DELETE)
    if missing and not partly:
        rule = "not in the event, since the table's REPLICA IDENTITY is not FULL"
        raise PermanentError(INCOMPLETE, f"{', '.join(missing)}: {rule}")
    return Change(
        table=table,
        op=op,
        row=decode_row({**row, **{field: _NOTHING[field] for field in missing}}, op is Op.DELETE or bool(missing)),
        lsn=_number(envelope, "iodebeziumlsn"),
        saved_at=_moment(envelope.get("time")),
        traceparent=_trace(row, transaction),
        transaction=None if op is Op.READ else transaction,
        missing=missing,
    )


def read(table: str, row: object, lsn: int) -> Change:
    """A row as it was read from its table at a place in the log, saved when it was last updated.

    Raises PermanentError (`undecodable`).
    """
    config = _ROWS[table](_mapping(row, "row"), False)
    return Change(table, Op.READ, config, lsn, saved_at=_moment(config.updated_at))


def encode(change: Change) -> dict[str, Any]:
    """The CloudEvent (as JSON) that decodes to this change's row: for a row that was read and has no event.

    It has what `decode` needs, and no trace or transaction.
    """
    return {
        **({"time": change.saved_at} if change.saved_at else {}),
        "iodebeziumtable": change.table,
        "iodebeziumop": str(change.op),
        "iodebeziumlsn": str(change.lsn),
        "data": {"before" if change.deleted else "after": asdict(change.row)},
    }


def _missing(row: Mapping[str, object], deleted: bool) -> tuple[str, ...]:
    """Without REPLICA IDENTITY FULL, an update lacks what is kept out of line, and a deletion all but the key.

    A deletion needs nothing but its id and its generation.
    """
    if deleted:
        return () if row.get("generation") is not None else ("generation",)
    return tuple(field for field in _NOTHING if row.get(field) == PLACEHOLDER)


_NOTHING: Mapping[str, object] = {
    "name": "",
    "repository_url": "",
    "branch": "",
    "environment": "",
    "updated_by": "",
    "generation": 1,
}
"""What stands in a row for columns that are missing."""


def _trace(row: Mapping[str, object], transaction: int | None) -> str | None:
    """A row keeps the trace of its last change by the API: another transaction's event, such as of a direct DELETE or
    of a snapshot, has no part in it.
    """
    traceparent, traced = row.get("traceparent"), row.get("traced_txid")
    if transaction is None or traced is None or _number(row, "traced_txid") != transaction:
        return None
    return traceparent if isinstance(traceparent, str) and _TRACEPARENT.fullmatch(traceparent) else None


def _app_config(row: Mapping[str, object], in_part: bool) -> AppConfig:
    """Bounds hold for every row that the table ever accepted: stricter rules of today are not for rows of yesterday.

    `in_part`: texts may be null or empty. Deletions need none, and have none where the event has the key alone.
    """
    text = _text_if_there if in_part else _text
    generation = _number(row, "generation", least=1)
    return AppConfig(
        id=_number(row, "id"),
        # A row that is renamed through a temporary name (see crud's migration 0007) is still known by the one before.
        name=_label(text(row, "name" if row.get("committed_name") is None else "committed_name"), "name"),
        repository_url=_bounded(text(row, "repository_url"), "repository_url", URL_MAX, _URL),
        branch=_bounded(text(row, "branch"), "branch", BRANCH_MAX, _BRANCH),
        environment=_label(text(row, "environment"), "environment"),
        generation=generation,
        created_at=_bounded(text(row, "created_at"), "created_at", _TIME_MAX, _TIME),
        updated_at=_bounded(text(row, "updated_at"), "updated_at", _TIME_MAX, _TIME),
        updated_by=_person(text(row, "updated_by")),
        updated_by_verified=row.get("updated_by_verified") is True,
    )


_ROWS: Mapping[str, Callable[[Mapping[str, object], bool], AppConfig]] = {"app_configs": _app_config}


def _op(envelope: Mapping[str, object]) -> Op:
    value = _text(envelope, "iodebeziumop")
    try:
        return Op(value)
    except ValueError:
        raise _undecodable("iodebeziumop", f"must be one of {', '.join(Op)}, not {_quoted(value)}") from None


def _mapping(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _undecodable(field, "must be an object")
    return value


def _text(values: Mapping[str, object], field: str) -> str:
    value = values.get(field)
    if not isinstance(value, str) or not value:
        raise _undecodable(field, "must be a string that is not empty")
    return value


def _text_if_there(values: Mapping[str, object], field: str) -> str:
    return "" if values.get(field) in (None, "") else _text(values, field)


_URL = re.compile(r"[!-~]*")
_BRANCH = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff]*")
_TIME = re.compile(r"[ -~]*")


def _bounded(value: str, field: str, limit: int, characters: re.Pattern[str]) -> str:
    if len(value) > limit:
        raise _undecodable(field, f"must have at most {limit} characters")
    if not characters.fullmatch(value):
        raise _undecodable(field, "has characters that the table does not take")
    return value


def _label(value: str, field: str) -> str:
    """Becomes a part of paths: of an API server's, of a repository's. Empty where the event has none."""
    broken = check_label(value) if value else None
    if broken is not None:
        raise _undecodable(field, broken.message)
    return value


def _person(value: str) -> str:
    """By SQL a person's name may have anything in it: what isn't printable becomes a space."""
    if len(value) > USER_MAX:
        raise _undecodable("updated_by", f"must have at most {USER_MAX} characters")
    return value if value.isprintable() else "".join(c if c.isprintable() else " " for c in value)


def _moment(value: object) -> str | None:
    """RFC 3339, in a year that clocks can show; None for anything else: a row is not refused for its clock."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return value if datetime.fromisoformat(value).year in _YEARS else None
    except ValueError:
        return None


def _number(values: Mapping[str, object], field: str, least: int = 0) -> int:
    """Integers arrive as JSON numbers in the data and as strings in CloudEvents' extension attributes."""
    value = values.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _undecodable(field, "must be an integer")
    if not least <= value <= MAX_NUMBER:
        raise _undecodable(field, f"must be from {least} to {MAX_NUMBER}")
    return value


def _quoted(value: str) -> str:
    return repr(value[:_QUOTED]) + ("…" if len(value) > _QUOTED else "")


def _undecodable(field: str, rule: str) -> PermanentError:
    return PermanentError(UNDECODABLE, f"{field}: {rule}")
