"""The table at one moment, for those who compare it with what there is elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import RowMapping, true

from rowcast.crud.access.pool_shares import Shares
from rowcast.crud.database.tables import app_configs
from rowcast.crud.fields import MAX_ID, Boolean, Decimal
from rowcast.crud.routes.dependencies import Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.streams import TableStream
from rowcast.crud.rows.schemas import AppConfigOut
from rowcast.crud.rows.snapshot import Snapshot
from rowcast.crud.settings import CrudSettings

router = APIRouter(tags=["configurations"])
NDJSON = "application/x-ndjson"
Line = Callable[[RowMapping], bytes]
"""A row as one JSON object."""
MAX_IDS = 200
Id = Annotated[int, Decimal, Query(ge=1, le=MAX_ID)]
WithStatuses = Annotated[
    bool,
    Boolean,
    Query(
        description="Each row also has `sync`: by target, what it reported last of the row; null for nothing. The first"
        " line has the `kinds` of the targets.",
    ),
]


def as_lines(example: str) -> dict[int | str, dict[str, Any]]:
    """What is said of an answer that is one JSON a line."""
    return {**responses(), 200: {"content": {NDJSON: {"example": example}}, "description": "One JSON a line."}}


_EXAMPLE = """{"taken_at":"2026-01-02T03:04:05.678901+00:00","lsn":26843545,"rows":1,"visible":"781:783:781"}
{"id":1,"name":"checkout",…}
{"end":true,"rows":1}
"""


@router.get(
    "/appconfigs:snapshot",
    operation_id="snapshotAppConfigs",
    response_class=StreamingResponse,
    responses=as_lines(_EXAMPLE),
)
def snapshot(
    database: Database,
    settings: Settings,
    shares: PoolShares,
    id: Annotated[list[Id] | None, Query(max_length=MAX_IDS, description="Only these rows.")] = None,  # noqa: A002
    sync: WithStatuses = False,
) -> Response:
    """Every row in the order of ids, from one transaction.

    The first line is the moment, the last one marks the end: an answer without it was cut off and is not the table.
    """
    targets = settings.target_kinds if sync else None
    if id:
        return few(Snapshot(database, app_configs.c.id.in_(id), targets=targets), _line)
    return stream(lambda: Snapshot(database, true(), targets=targets), settings, shares, _line)


def few(taken: Snapshot, line: Line) -> Response:
    """So few rows that they are read at once: nobody can keep the transaction by not reading the answer."""
    with closing(taken):
        return Response(b"".join(_lines(taken, line)), media_type=NDJSON)


def stream(take: Callable[[], Snapshot], settings: CrudSettings, shares: Shares, line: Line) -> Response:
    """However many rows, in the turn of those who read whole tables."""
    with ExitStack() as until_sent:
        shares.snapshots.take()
        until_sent.callback(shares.snapshots.give_back)
        taken = until_sent.enter_context(closing(take()))
        close = until_sent.pop_all().close
        return TableStream(_lines(taken, line), close, settings, NDJSON)


def _lines(taken: Snapshot, line: Line) -> Iterator[bytes]:
    kinds = {"kinds": taken.targets} if taken.targets else {}
    yield orjson.dumps({**asdict(taken.moment), **kinds}, option=orjson.OPT_APPEND_NEWLINE)
    sent = 0
    for rows in taken.rows():
        sent += len(rows)
        yield b"".join(
            line(row)[:-1] + (b',"sync":' + orjson.dumps(sync) if taken.targets else b"") + b"}\n" for row, sync in rows
        )
    yield orjson.dumps({"end": True, "rows": sent}, option=orjson.OPT_APPEND_NEWLINE)


def _line(row: RowMapping) -> bytes:
    return AppConfigOut.model_construct(**dict(row)).model_dump_json().encode()
