"""What sync reads: all tables' rows at one moment, and those that a target is late with."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import ColumnElement, RowMapping, true

from rowcast.core.row import APP_CONFIGS, KEY_MAX, RowKey, row_named
from rowcast.crud.database.connections import reading
from rowcast.crud.database.tables import app_configs
from rowcast.crud.deliveries import late as late_configurations
from rowcast.crud.deliveries import of_rows
from rowcast.crud.errors import FieldError
from rowcast.crud.fields import MAX_ID
from rowcast.crud.routes.dependencies import Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.late import Before, Late, Seconds, Target, Within
from rowcast.crud.routes.rows.snapshots import WithStatuses, as_lines, few, stream
from rowcast.crud.rows.schemas import AppConfigOut
from rowcast.crud.rows.snapshot import Snapshot

router = APIRouter(tags=["rows"])
MAX_ROWS = 200
Named = Annotated[str, Query(max_length=KEY_MAX + 64, examples=["tenants/42"])]
_EXAMPLE = """{"taken_at":"2026-01-02T03:04:05.678901+00:00","lsn":26843545,"rows":2,"visible":"781:783:781"}
{"renderer":"appconfigs","key":"1","id":1,"name":"checkout",…}
{"renderer":"tenants","key":"42","generation":3,"revision":1,"row":{…},…}
{"end":true,"rows":2}
"""


class LateRow(Late):
    """One of any table. Name and environment are a configuration's; those of others are in what they render to."""

    renderer: str
    key: str


class LateRows(BaseModel):
    """The first of them, configurations first. `more`: there may be others after the last."""

    rows: list[LateRow]
    more: bool


@router.get(
    "/rows:snapshot",
    operation_id="snapshotRows",
    response_class=StreamingResponse,
    responses=as_lines(_EXAMPLE),
)
def snapshot(
    database: Database,
    settings: Settings,
    shares: PoolShares,
    row: Annotated[list[Named] | None, Query(max_length=MAX_ROWS, description="Only these: renderer/key.")] = None,
    sync: WithStatuses = False,
) -> Response:
    """Every row of every table, from one transaction: configurations, then all others.

    The first line is the moment, the last one marks the end: an answer without it was cut off and is not all of them.
    """
    targets = settings.target_kinds if sync else None
    if row:
        return few(Snapshot(database, *_wanted(row), targets), as_line)
    return stream(lambda: Snapshot(database, true(), true(), targets), settings, shares, as_line)


@router.get("/rows:late", operation_id="lateRows", responses=responses())
def late(
    database: Database,
    target: Target,
    seconds: Seconds = 30,
    after: Annotated[Named | None, Query(description="Only rows after this one.")] = None,
    within: Within = None,
    before: Before = None,
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


def _wanted(named: list[str]) -> tuple[ColumnElement[bool] | None, ColumnElement[bool] | None]:
    """Which configurations, and which of the others."""
    rows = [_row(text, "row") for text in named]
    ids = [int(row.key) for row in rows if row.renderer == APP_CONFIGS]
    others = [row for row in rows if row.renderer != APP_CONFIGS]
    return app_configs.c.id.in_(ids) if ids else None, of_rows.among(others) if others else None


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


def as_line(row: RowMapping) -> bytes:
    """A row as sync reads it: one JSON object."""
    if "renderer" not in row:
        head = orjson.dumps({"renderer": APP_CONFIGS, "key": str(row["id"])})
        return head[:-1] + b"," + AppConfigOut.model_construct(**dict(row)).model_dump_json().encode()[1:]
    hidden = {"traceparent", "deleted"}
    return orjson.dumps({str(name): value for name, value in row.items() if name not in hidden})
