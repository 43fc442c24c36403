"""Change events: Debezium's CloudEvents decoded into rows.

Source of the format: Debezium's documentation, "Exporting CloudEvents", JSON with JSON data. Ordering and fencing use
only what is in the payload (row id, generation, LSN), since brokers other than Kafka carry no key and no offset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rowcast.core.errors import PermanentError

UNDECODABLE = "undecodable"
UNKNOWN_TABLE = "unknown-table"


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

    @property
    def deleted(self) -> bool:
        """Whether the row is gone after this change."""
        return self.op is Op.DELETE

    @property
    def order(self) -> tuple[int, bool]:
        """Rises with every change of one row: by generation, and a deletion after the update of its generation."""
        return (self.row.generation, self.deleted)


def decode(event: object) -> Change:
    """Decode a CloudEvent (parsed JSON) into a `Change`.

    Raises PermanentError (`undecodable`, `unknown-table`), naming the field and the rule.
    """
    envelope = _mapping(event, "event")
    table = _text(envelope, "iodebeziumtable")
    decode_row = _ROWS.get(table)
    if decode_row is None:
        raise PermanentError(UNKNOWN_TABLE, f"iodebeziumtable: no renderer for table {table!r}")
    op = _op(envelope)
    side = "before" if op is Op.DELETE else "after"
    data = _mapping(envelope.get("data"), "data")
    time = envelope.get("time")
    row = _mapping(data.get(side), f"data.{side}")
    transaction = envelope.get("iodebeziumtxId")
    return Change(
        table=table,
        op=op,
        row=decode_row(row),
        lsn=_number(envelope, "iodebeziumlsn"),
        saved_at=time if isinstance(time, str) else None,
        traceparent=_trace(row, transaction),
        transaction=None if op is Op.READ or transaction is None else _number(envelope, "iodebeziumtxId"),
    )


def read(table: str, row: object, lsn: int) -> Change:
    """A row as it was read from its table at a place in the log. Raises PermanentError (`undecodable`)."""
    return Change(table, Op.READ, _ROWS[table](_mapping(row, "row")), lsn, saved_at=None)


def _trace(row: Mapping[str, object], transaction: object) -> str | None:
    """A row keeps the trace of its last change by the API: another transaction's event, such as of a direct DELETE or
    of a snapshot, has no part in it.
    """
    traceparent = row.get("traceparent")
    of_this = transaction is not None and str(row.get("traced_txid")) == str(transaction)
    return traceparent if of_this and isinstance(traceparent, str) else None


def _app_config(row: Mapping[str, object]) -> AppConfig:
    generation = _number(row, "generation")
    if generation < 1:
        raise _undecodable("generation", "must be at least 1")
    return AppConfig(
        id=_number(row, "id"),
        # A row that is renamed through a temporary name (see crud's migration 0007) is still known by the one before.
        name=_text(row, "name" if row.get("committed_name") is None else "committed_name"),
        repository_url=_text(row, "repository_url"),
        branch=_text(row, "branch"),
        environment=_text(row, "environment"),
        generation=generation,
        created_at=_text(row, "created_at"),
        updated_at=_text(row, "updated_at"),
        updated_by=_text(row, "updated_by"),
    )


_ROWS: Mapping[str, Callable[[Mapping[str, object]], AppConfig]] = {"app_configs": _app_config}


def _op(envelope: Mapping[str, object]) -> Op:
    value = _text(envelope, "iodebeziumop")
    try:
        return Op(value)
    except ValueError:
        raise _undecodable("iodebeziumop", f"must be one of {', '.join(Op)}, not {value!r}") from None


def _mapping(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _undecodable(field, "must be an object")
    return value


def _text(values: Mapping[str, object], field: str) -> str:
    value = values.get(field)
    if not isinstance(value, str):
        raise _undecodable(field, "must be a string")
    return value


def _number(values: Mapping[str, object], field: str) -> int:
    """Integers arrive as JSON numbers in the data and as strings in CloudEvents' extension attributes."""
    value = values.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _undecodable(field, "must be an integer")


def _undecodable(field: str, rule: str) -> PermanentError:
    return PermanentError(UNDECODABLE, f"{field}: {rule}")
