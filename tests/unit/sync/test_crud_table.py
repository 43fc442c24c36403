"""Reading the table through the sidecar: the whole of it, or an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from rowcast.core.errors import TransientError
from rowcast.core.moves import Reported, Whereabouts
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, app_config
from rowcast.sync.settings import SyncSettings
from rowcast.sync.table.rows import CrudTable, find
from unit.core.changes import row

pytestmark = pytest.mark.anyio
HEAD = {"taken_at": "2026-11-22T15:42:27Z", "lsn": 77, "rows": 2}
ROWS = [row(1, 3, "a"), row(2, 1, "b")]
END = {"end": True, "rows": 2}


def table(content: bytes, status: int = 200, requests: list[httpx.Request] | None = None) -> CrudTable:
    def answer(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return httpx.Response(status, content=content)

    settings = SyncSettings(target="k8s", dapr_http_port=3501, dapr_api_token=SecretStr("secret"))
    return CrudTable(settings, httpx.MockTransport(answer))


def lines(*values: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(value) + b"\n" for value in values)


async def everything(of: CrudTable, rows: Sequence[RowKey] = ()) -> tuple[int, list[Desired]]:
    async with of.snapshot(rows) as snapshot:
        return snapshot.lsn, [desired async for desired in snapshot.rows]


async def test_rows_come_rendered_at_the_snapshots_place_in_the_log() -> None:
    requests: list[httpx.Request] = []

    lsn, rows = await everything(table(lines(HEAD, *ROWS, END), requests=requests), (app_config(1), app_config(2)))

    assert lsn == 77
    assert [(int(one.row.key), one.generation, one.name, one.lsn) for one in rows] == [(1, 3, "a", 77), (2, 1, "b", 77)]
    (request,) = requests
    assert str(request.url) == "http://127.0.0.1:3501/rows:snapshot?row=appconfigs%2F1&row=appconfigs%2F2"
    assert (request.headers["dapr-app-id"], request.headers["dapr-api-token"]) == ("crud", "secret")


class Streamed(httpx.AsyncByteStream):
    """An answer in parts, that knows whether it was read to its end."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
        self.read = True


async def test_an_answer_is_read_to_its_end_or_the_sidecar_counts_it_as_given_up_and_closes_the_connection() -> None:
    body = Streamed(lines(HEAD, *ROWS), lines(END))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    _, rows = await everything(CrudTable(SyncSettings(target="k8s"), transport))
    assert (len(rows), body.read) == (2, True)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 200),
        (lines(HEAD), 200),
        (lines(HEAD, *ROWS), 200),
        (lines(HEAD, *ROWS)[:-9], 200),
        (lines(HEAD, *ROWS, END)[:-3], 200),
        (lines(HEAD, ROWS[0], {"end": True, "rows": 1}), 200),
        (lines(HEAD, ROWS[0], END), 200),
        (lines({"errorCode": "ERR_DIRECT_INVOKE"}), 200),
        (lines({"errorCode": "ERR_DIRECT_INVOKE"}), 500),
        (lines(HEAD, {"id": 1}, ROWS[1], END), 200),
        (b"<html>", 200),
    ],
    ids=[
        "nothing",
        "no rows",
        "no end",
        "half a row",
        "half an end",
        "fewer rows than promised",
        "a row lost on the way",
        "another answer",
        "an error",
        "a row without its fields",
        "not JSON",
    ],
)
async def test_what_is_not_the_whole_table_is_transient_trouble_and_no_smaller_table(
    content: bytes, status: int
) -> None:
    with pytest.raises(TransientError):
        await everything(table(content, status))


async def test_a_sidecar_that_is_away_is_transient_trouble() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(TransientError, match="cannot read the table: refused"):
        await everything(CrudTable(SyncSettings(target="k8s"), httpx.MockTransport(refuse)))


async def test_where_rows_are_is_what_the_targets_have_told_of_them() -> None:
    requests: list[httpx.Request] = []
    told = {"k8s": None, "git": {"generation": 3, "deleted": False, "outcome": "created", "stage": "synced", "new": 1}}
    kinds = {"k8s": "k8s", "git": "git", "eu": "k8s"}
    content = lines({**HEAD, "rows": 1, "kinds": kinds}, {**row(1, 4, "a"), "sync": told}, {"end": True, "rows": 1})

    found = await table(content, requests=requests).whereabouts([app_config(1), app_config(2)])

    assert found == {
        app_config(1): Whereabouts("dev", 4, {"k8s": None, "git": Reported(3, False, "created", "synced")}, kinds)
    }
    assert str(requests[0].url).endswith("/rows:snapshot?row=appconfigs%2F1&row=appconfigs%2F2&sync=true")


@pytest.mark.parametrize("told", [7, {"git": 7}, {"git": {}}, {"git": {"generation": 3}}])
async def test_an_answer_that_does_not_tell_where_a_row_is_is_no_answer(told: object) -> None:
    content = lines({**HEAD, "rows": 1}, {**row(1, 4, "a"), "sync": told}, {"end": True, "rows": 1})
    with pytest.raises(TransientError, match="does not tell where a row is"):
        await table(content).whereabouts([app_config(1)])


async def test_a_crud_that_tells_nothing_of_targets_makes_nobody_wait() -> None:
    content = lines({**HEAD, "rows": 1}, row(1, 4, "a"), {"end": True, "rows": 1})
    (found,) = (await table(content).whereabouts([app_config(1)])).values()
    assert found.at == {}


@pytest.mark.parametrize("ask", ["snapshot", "whereabouts"])
async def test_however_long_keys_are_no_request_is_longer_than_a_sidecar_takes(ask: str) -> None:
    requests: list[httpx.Request] = []
    of = table(lines({**HEAD, "rows": 0}, {"end": True, "rows": 0}), requests=requests)
    keys = [RowKey("tenants", f'["eu", "7d444840-9dc0-11d1-b245-{number:012}"]') for number in range(150)]

    await (find(of, keys) if ask == "snapshot" else of.whereabouts(keys))

    assert max(len(request.url.raw_path) for request in requests) < 3_800
    asked = [text for request in requests for text in request.url.params.get_list("row")]
    assert sorted(asked) == sorted(map(str, keys))
