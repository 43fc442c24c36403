"""The table at one moment, for those who compare it with what there is elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import RowMapping

from rowcast.crud.fields import MAX_ID, Boolean, Decimal
from rowcast.crud.routes.dependencies import Database, PoolShares, Settings
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.streams import TableStream
from rowcast.crud.rows.schemas import AppConfigOut
from rowcast.crud.rows.snapshot import Reported, Snapshot

router = APIRouter(tags=["configurations"])
NDJSON = "application/x-ndjson"
MAX_IDS = 200
Id = Annotated[int, Decimal, Query(ge=1, le=MAX_ID)]
_EXAMPLE = """{"taken_at":"2026-01-02T03:04:05.678901+00:00","lsn":26843545,"rows":1,"visible":"781:783:781"}
{"id":1,"name":"checkout",…}
{"end":true,"rows":1}
"""


@router.get(
    "/appconfigs:snapshot",
    operation_id="snapshotAppConfigs",
    response_class=StreamingResponse,
    responses={**responses(), 200: {"content": {NDJSON: {"example": _EXAMPLE}}, "description": "One JSON a line."}},
)
def snapshot(
    database: Database,
    settings: Settings,
    shares: PoolShares,
    id: Annotated[list[Id] | None, Query(max_length=MAX_IDS, description="Only these rows.")] = None,  # noqa: A002
    sync: Annotated[
        bool,
        Boolean,
        Query(description="Each row also has `sync`: by target, what it reported last of the row; null for nothing."),
    ] = False,
) -> Response:
    """Every row in the order of ids, from one transaction.

    The first line is the moment, the last one marks the end: an answer without it was cut off and is not the table.
    """
    targets = settings.targets if sync else ()
    if id:
        # So few that they are read at once: nobody can keep this transaction by not reading the answer.
        with closing(Snapshot(database, id, targets)) as some:
            return Response(b"".join(_lines(some)), media_type=NDJSON)
    with ExitStack() as until_sent:
        shares.snapshots.take()
        until_sent.callback(shares.snapshots.give_back)
        taken = until_sent.enter_context(closing(Snapshot(database, (), targets)))
        close = until_sent.pop_all().close
        return TableStream(_lines(taken), close, settings, NDJSON)


def _lines(taken: Snapshot) -> Iterator[bytes]:
    yield orjson.dumps(taken.moment, option=orjson.OPT_APPEND_NEWLINE)
    sent = 0
    for rows in taken.rows():
        sent += len(rows)
        yield b"".join(_line(taken, row, sync) for row, sync in rows)
    yield orjson.dumps({"end": True, "rows": sent}, option=orjson.OPT_APPEND_NEWLINE)


def _line(taken: Snapshot, row: RowMapping, sync: Mapping[str, Reported | None]) -> bytes:
    line = AppConfigOut.model_construct(**dict(row)).model_dump_json().encode()
    told = b',"sync":' + orjson.dumps(sync) + b"}" if taken.targets else b"}"
    return line[:-1] + told + b"\n"
