"""Change events: Debezium's CloudEvents decoded into rows.

Source of the format: Debezium's documentation, "Exporting CloudEvents", JSON with JSON data. Ordering and fencing use
only what is in the payload (row id, generation, LSN), since brokers other than Kafka carry no key and no offset.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from sys import intern
from typing import Any

from rowcast.core.errors import PermanentError
from rowcast.core.repository_urls import URL_MAX
from rowcast.core.row import APP_CONFIGS, KEY_MAX, RENDERER, RowKey, app_config, identity
from rowcast.core.rules import BRANCH_MAX, USER_MAX, check_label

TABLE, ROWS = "app_configs", "rows"
"""The tables that events are of: `rowcast.rows`, and that of configurations, which was captured itself (decision 39):
the broker, dead letters and a database that was not switched yet still have such events.
"""
UNDECODABLE = "undecodable"
UNKNOWN_TABLE = "unknown-table"
INCOMPLETE = "incomplete"

ROW_CHARACTERS = 65_536
"""Of a row in an event, as Java counts them (UTF-16): where it has more, only the table has the whole."""
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
    approved_by: str = ""
    """Who has approved the change, if another person had to, and a login vouches for them."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of `rowcast.rows`: a row of any table as its triggers have captured it, and what it is rendered by.

    `values` are the columns as JSON has them, related rows among them; numbers that JSON would bend are texts.
    """

    row: RowKey
    generation: int
    revision: int
    deleted: bool
    values: Mapping[str, Any]
    updated_at: str
    updated_by: str
    updated_by_verified: bool = False
    approved_by: str = ""

    @property
    def name(self) -> str:
        """What is known of it without rendering it."""
        return self.row.key


State = AppConfig | TableRow


@dataclass(frozen=True, slots=True)
class Change:
    """One decoded change event. `state` is the row's after it or, for a deletion, the last before it."""

    row: RowKey
    op: Op
    state: State
    lsn: int
    saved_at: str | None
    traceparent: str | None = None
    """The trace (W3C Trace Context) of the transaction that made this very change, if that had one."""
    transaction: int | None = None
    """The id (32 bits) of the transaction that made the change; None for a row that was read."""
    missing: tuple[str, ...] = ()
    """Columns that the event doesn't have, and `state` neither: only the table can tell them."""
    follows: int = 0
    """The lowest generation of the unbroken run of events that ends with this one; 0 if it is not known."""

    @property
    def deleted(self) -> bool:
        """Whether the row is gone after this change."""
        return self.op is Op.DELETE

    @property
    def is_of_a_row(self) -> bool:
        """Whether there is a row, or has been: the triggers take a key before they read its row."""
        return self.state.generation > 0

    @property
    def order(self) -> tuple[int, bool]:
        """Rises with every change of one row: by generation, and a deletion after the update of its generation."""
        return (self.state.generation, self.deleted)


def decode(event: object, *, partly: bool = False) -> Change:
    """Decode a CloudEvent (parsed JSON) into a `Change`. Total: nothing else is raised, whatever it is given.

    `partly`: let events through whose row has columns `missing`, for a caller that asks the table for them.
    Raises PermanentError (`undecodable`, `unknown-table`, `incomplete`), naming the field and the rule.
    """
    envelope = _mapping(event, "event")
    table = _text(envelope, "iodebeziumtable")
    if table not in (TABLE, ROWS):
        raise PermanentError(UNKNOWN_TABLE, f"iodebeziumtable: no renderer for table {_quoted(table)}")
    op = _op(envelope)
    side = "before" if op is Op.DELETE else "after"
    data = _mapping(envelope.get("data"), "data")
    row = _mapping(data.get(side), f"data.{side}")
    transaction = _number(envelope, "iodebeziumtxId") if envelope.get("iodebeziumtxId") is not None else None
    lsn, saved_at = _number(envelope, "iodebeziumlsn"), _moment(envelope.get("time"))
    if table == ROWS:
        return _change_of_rows(op, row, lsn, saved_at, None if op is Op.READ else transaction, partly)
    missing = _missing(row, op is Op.DELETE)
    if missing and not partly:
        rule = "not in the event, since the table's REPLICA IDENTITY is not FULL"
        raise PermanentError(INCOMPLETE, f"{', '.join(missing)}: {rule}")
    state = _app_config({**row, **{field: _NOTHING[field] for field in missing}}, op is Op.DELETE or bool(missing))
    return Change(
        row=app_config(state.id),
        op=op,
        state=state,
        lsn=lsn,
        saved_at=saved_at,
        traceparent=_trace(row, transaction),
        transaction=None if op is Op.READ else transaction,
        missing=missing,
    )


def _change_of_rows(
    op: Op, columns: Mapping[str, object], lsn: int, saved_at: str | None, transaction: int | None, partly: bool
) -> Change:
    """A change of `rowcast.rows`. A row that is marked as deleted is gone, and so is one that is not there any more."""
    missing = ("row",) if op is not Op.DELETE and _is_cut(columns.get("row")) else ()
    if missing and not partly:
        raise PermanentError(INCOMPLETE, "row: not whole in the event")
    known = {**columns, "row": {}} if missing or op is Op.DELETE else columns
    state, deleted = _state(known, op is Op.DELETE or bool(missing))
    return Change(
        row=app_config(state.id) if isinstance(state, AppConfig) else state.row,
        op=Op.DELETE if deleted else op,
        state=state,
        lsn=lsn,
        saved_at=saved_at,
        traceparent=None if op is Op.READ else _traceparent(columns.get("traceparent")),
        transaction=transaction,
        missing=missing,
    )


def _is_cut(row: object) -> bool:
    """Without REPLICA IDENTITY FULL, or too large for a broker: the connector cuts it (connector.json)."""
    if not isinstance(row, str) or len(row) < ROW_CHARACTERS // 2:
        return row == PLACEHOLDER
    return len(row.encode("utf-16-le", errors="surrogatepass")) // 2 >= ROW_CHARACTERS


def _state(columns: Mapping[str, object], in_part: bool) -> tuple[State, bool]:
    """A row of `rowcast.rows`, and whether it is marked as deleted. `in_part`: `row` is not whole."""
    if columns.get("renderer") == APP_CONFIGS:
        deleted = _deleted(columns)
        return _captured_app_config(columns, in_part or deleted), deleted
    state = _table_row(columns)
    return state, state.deleted


def _captured_app_config(columns: Mapping[str, object], in_part: bool) -> AppConfig:
    """A configuration in `rowcast.rows`: `row` has what only it has, the columns what every row has."""
    row_id = _number(columns, "key")
    if str(row_id) != columns["key"]:
        raise _undecodable("key", "must be the configuration's id")
    document = _document(columns.get("row"))
    if document.get("id", row_id) != row_id:
        raise _undecodable("row", f"must be that of the key {row_id}")
    its = {
        "id": row_id,
        "generation": columns.get("generation"),
        "updated_at": columns.get("changed_at"),
        "updated_by": columns.get("actor"),
        "updated_by_verified": columns.get("actor_verified"),
        "approved_by": columns.get("approved_by"),
    }
    return _app_config({**document, **its}, in_part)


def _deleted(columns: Mapping[str, object]) -> bool:
    deleted = columns.get("deleted")
    if not isinstance(deleted, bool):
        raise _undecodable("deleted", "must be true or false")
    return deleted


def _table_row(columns: Mapping[str, object]) -> TableRow:
    renderer, key = _text(columns, "renderer"), _text(columns, "key")
    if not RENDERER.fullmatch(renderer) or renderer == APP_CONFIGS:
        raise _undecodable("renderer", f"must be a renderer's name, not {_quoted(renderer)}")
    if len(key) > KEY_MAX:
        raise _undecodable("key", f"must have at most {KEY_MAX} characters")
    deleted = _deleted(columns)
    actor = columns.get("actor")
    return TableRow(
        row=RowKey(intern(str(renderer)), key),
        # A key that is only taken, so that two transactions meet at it, is deleted and has had no row yet.
        generation=_number(columns, "generation", least=0 if deleted else 1),
        revision=_number(columns, "revision"),
        deleted=deleted,
        values=_document(columns.get("row")),
        updated_at=_bounded(_text_if_there(columns, "changed_at"), "changed_at", _TIME_MAX, _TIME),
        # Any writer may call itself anything (`rowcast.actor`): that is no reason to refuse the row.
        updated_by=_person(actor[:USER_MAX]) if isinstance(actor, str) else "",
        updated_by_verified=columns.get("actor_verified") is True,
        approved_by=_approver(columns),
    )


def _document(value: object) -> Mapping[str, Any]:
    """Debezium writes jsonb as a text of JSON; a table that was read, as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _undecodable("row", "must be JSON") from None
    return _mapping(value, "row")


def read(row: object, lsn: int) -> Change:
    """A row as it was read from its table at a place in the log, saved when it was last updated.

    Raises PermanentError (`undecodable`).
    """
    columns = _mapping(row, "row")
    state: State
    if columns.get("renderer", APP_CONFIGS) == APP_CONFIGS:
        state = _app_config(columns, False)
        return Change(app_config(state.id), Op.READ, state, lsn, saved_at=_moment(state.updated_at))
    state = _table_row({"deleted": False, **columns})
    return Change(state.row, Op.DELETE if state.deleted else Op.READ, state, lsn, saved_at=_moment(state.updated_at))


def encode(change: Change) -> dict[str, Any]:
    """The CloudEvent (as JSON) that decodes to this change's row: for a row that was read and has no event.

    It has what `decode` needs, and no trace or transaction.
    """
    state = change.state
    row: Mapping[str, Any]
    if isinstance(state, AppConfig):
        revision, row = 0, {name: getattr(state, name) for name in _OF_ITS_OWN}
    else:
        revision, row = state.revision, state.values
    columns = {
        **identity(change.row),
        "generation": state.generation,
        "revision": revision,
        "deleted": change.deleted,
        "row": json.dumps(row),
        "actor": state.updated_by,
        "actor_verified": state.updated_by_verified,
        "approved_by": state.approved_by or None,
        "changed_at": state.updated_at,
    }
    # A deletion is an update there: the row stays as what is known of it.
    time = {"time": change.saved_at} if change.saved_at else {}
    return {
        **time,
        "iodebeziumtable": ROWS,
        "iodebeziumop": str(Op.UPDATE),
        "iodebeziumlsn": str(change.lsn),
        "data": {"after": columns},
    }


_OF_ITS_OWN = ("id", "name", "repository_url", "branch", "environment", "created_at")
"""What `row` has of a configuration; all else of it is in the columns of `rowcast.rows`."""


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
    return _traceparent(traceparent)


def _traceparent(value: object) -> str | None:
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


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
        approved_by=_approver(row),
    )


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


def _approver(columns: Mapping[str, object]) -> str:
    approver = columns.get("approved_by")
    return _person(approver[:USER_MAX]) if isinstance(approver, str) else ""


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
