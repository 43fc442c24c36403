"""What sync reads: all tables' rows at one moment, and those that a target is late with."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import ColumnElement, RowMapping, true

from rowcast.core.row import APP_CONFIGS, KEY_MAX, RowKey, row_named
from rowcast.crud.database.connections import reading
from rowcast.crud.deliveries import late as late_configurations
from rowcast.crud.deliveries import of_rows
from rowcast.crud.errors import FieldError
from rowcast.crud.fields import MAX_ID, Boolean, Number
from rowcast.crud.routes.dependencies import Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.late import MOST_SECONDS
from rowcast.crud.routes.rows.snapshots import NDJSON
from rowcast.crud.routes.streams import TableStream
from rowcast.crud.rows.schemas import AppConfigOut
from rowcast.crud.rows.snapshot import Reported, Snapshot

router = APIRouter(tags=["rows"])
MAX_ROWS = 200
Named = Annotated[str, Query(max_length=KEY_MAX + 64, examples=["tenants/42"])]
_EXAMPLE = """{"taken_at":"2026-01-02T03:04:05.678901+00:00","lsn":26843545,"rows":2,"visible":"781:783:781"}
{"renderer":"appconfigs","key":"1","id":1,"name":"checkout",…}
{"renderer":"tenants","key":"42","generation":3,"revision":1,"row":{…},…}
{"end":true,"rows":2}
"""


class LateRow(BaseModel):
    """A row that has not arrived. `deleted`: it is gone from the table and has still to go from the target.

    Name and environment are a configuration's; what others have of these is in what they render to.
    """

    renderer: str
    key: str
    generation: int
    name: str
    environment: str
    deleted: bool
    actor: str


class LateRows(BaseModel):
    """The first of them, configurations first. `more`: there may be others after the last."""

    rows: list[LateRow]
    more: bool


@router.get(
    "/rows:snapshot",
    operation_id="snapshotRows",
    response_class=StreamingResponse,
    responses={**responses(), 200: {"content": {NDJSON: {"example": _EXAMPLE}}, "description": "One JSON a line."}},
)
def snapshot(
    database: Database,
    settings: Settings,
    shares: PoolShares,
    row: Annotated[list[Named] | None, Query(max_length=MAX_ROWS, description="Only these: renderer/key.")] = None,
    sync: Annotated[
        bool,
        Boolean,
        Query(description="Each row also has `sync`: by target, what it reported last of the row; null for nothing."),
    ] = False,
) -> Response:
    """Every row of every table, from one transaction: configurations, then all others.

    The first line is the moment, the last one marks the end: an answer without it was cut off and is not all of them.
    """
    targets = settings.targets if sync else ()
    if row:
        ids, others = _wanted(row)
        # So few that they are read at once: nobody can keep this transaction by not reading the answer.
        with closing(Snapshot(database, ids, targets, others, configurations=bool(ids))) as some:
            return Response(b"".join(_lines(some)), media_type=NDJSON)
    with ExitStack() as until_sent:
        shares.snapshots.take()
        until_sent.callback(shares.snapshots.give_back)
        taken = until_sent.enter_context(closing(Snapshot(database, (), targets, true())))
        close = until_sent.pop_all().close
        return TableStream(_lines(taken), close, settings, NDJSON)


@router.get("/rows:late", operation_id="lateRows", responses=responses())
def late(
    database: Database,
    target: Annotated[str, Query(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")],
    seconds: Annotated[
        float, Number, Query(ge=0, le=MOST_SECONDS, description="How long ago their last change was.")
    ] = 30,
    after: Annotated[Named | None, Query(description="Only rows after this one.")] = None,
    within: Annotated[
        float | None,
        Number,
        Query(ge=0, le=MOST_SECONDS, description="Only rows whose last change was no longer ago; cheap, if short."),
    ] = None,
    before: Annotated[
        AwareDatetime | None, Query(description="Only rows whose last change was before this moment of the database's.")
    ] = None,
) -> LateRows:
    """Rows that a target has not reported since their last change: what it refuses for good is not among them."""
    start = None if after is None else _row(after, "after")
    with reading(database) as connection:
        if start is None or start.renderer == APP_CONFIGS:
            last = 0 if start is None else int(start.key)
            found = late_configurations.late(connection, target, seconds, last, within, before)
            listed = [LateRow(renderer=APP_CONFIGS, key=str(one["id"]), **_without_id(one)) for one in found]
            if len(listed) == late_configurations.ROWS_AT_ONCE:
                return LateRows(rows=listed, more=True)
            start = None
        else:
            listed = []
        others = of_rows.late(connection, target, seconds, start, within, before)
    listed += [LateRow(**one, name=one["key"], environment="") for one in others]
    return LateRows(rows=listed, more=len(others) == of_rows.LATE_AT_ONCE)


def _without_id(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _wanted(named: list[str]) -> tuple[list[int], ColumnElement[bool] | None]:
    rows = [_row(text, "row") for text in named]
    others = [row for row in rows if row.renderer != APP_CONFIGS]
    ids = [int(row.key) for row in rows if row.renderer == APP_CONFIGS]
    return ids, of_rows.among(others) if others else None


def _row(text: str, field: str) -> RowKey:
    try:
        row = row_named(text)
        if row.renderer == APP_CONFIGS and not (row.key.isascii() and row.key.isdigit() and int(row.key) <= MAX_ID):
            raise ValueError(f"a configuration's key is its id, not {row.key!r}")
        if "\x00" in text:
            raise ValueError("must not have NUL characters")
    except ValueError as error:
        raise FieldError(field, "row", str(error)) from None
    return row


def _lines(taken: Snapshot) -> Iterator[bytes]:
    yield orjson.dumps(taken.moment, option=orjson.OPT_APPEND_NEWLINE)
    sent = 0
    for rows in taken.rows():
        sent += len(rows)
        yield b"".join(_line(taken, row, sync) for row, sync in rows)
    yield orjson.dumps({"end": True, "rows": sent}, option=orjson.OPT_APPEND_NEWLINE)


def _line(taken: Snapshot, row: RowMapping, sync: Mapping[str, Reported | None]) -> bytes:
    if "renderer" in row:
        hidden = {"traceparent", "deleted"}
        line = orjson.dumps({str(name): value for name, value in row.items() if name not in hidden})
    else:
        head = orjson.dumps({"renderer": APP_CONFIGS, "key": str(row["id"])})
        line = head[:-1] + b"," + AppConfigOut.model_construct(**dict(row)).model_dump_json().encode()[1:]
    return line[:-1] + (b',"sync":' + orjson.dumps(sync) if taken.targets else b"") + b"}\n"
