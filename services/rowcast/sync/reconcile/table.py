"""The table of desired states, read through crud by way of this instance's own sidecar."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import orjson

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import read
from rowcast.core.render import Desired, render
from rowcast.runtime.settings import Settings

TABLE = "app_configs"
ROUTE = "/appconfigs:snapshot"
CRUD = "crud"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The table at one moment: its place in the log, how many rows it has, and these, to be read once."""

    lsn: int
    total: int
    rows: AsyncIterator[Desired]


class Table(Protocol):
    """Reads the table. Whatever is not the whole of what was asked for is a TransientError, not a smaller table."""

    def snapshot(self, row_ids: Sequence[int] = ()) -> AbstractAsyncContextManager[Snapshot]:
        """Every row, or of these rows those that there are, at one moment. Raises TransientError."""
        ...


class CrudTable:
    """The `Table` of crud, over its sidecar's and ours."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        token = settings.dapr_api_token
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.dapr_http_port}",
            headers={"dapr-app-id": CRUD} | ({"dapr-api-token": token.get_secret_value()} if token else {}),
            timeout=httpx.Timeout(30, connect=5),
            transport=transport,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections to the sidecar."""
        await self._client.aclose()

    @asynccontextmanager
    async def snapshot(self, row_ids: Sequence[int] = ()) -> AsyncIterator[Snapshot]:
        """Read rows as they stream in. Raises TransientError for anything but a whole answer."""
        try:
            async with self._client.stream("GET", ROUTE, params={"id": list(row_ids)}) as response:
                if response.status_code != httpx.codes.OK:
                    text = (await response.aread()).decode(errors="replace")
                    raise TransientError(f"crud answered {response.status_code}: {text[:200]}")
                async with aclosing(_lines(response)) as lines:
                    moment = _parsed(await anext(lines, b""))
                    if not {"lsn", "rows"} <= moment.keys():
                        raise TransientError("crud's answer is no snapshot")
                    yield Snapshot(moment["lsn"], moment["rows"], _rows(lines, moment["lsn"], moment["rows"]))
        except httpx.HTTPError as error:
            raise TransientError(f"cannot read the table: {str(error) or type(error).__name__}") from error


async def _rows(lines: AsyncIterator[bytes], lsn: int, total: int) -> AsyncIterator[Desired]:
    seen = 0
    async for line in lines:
        row = _parsed(line)
        if row.get("end"):
            if seen == row.get("rows") == total:
                return
            break
        seen += 1
        try:
            desired = render(read(TABLE, row, lsn))
        except PermanentError as error:
            raise TransientError(f"crud answered with a row that cannot be read: {error}") from error
        yield desired
    raise TransientError(f"the snapshot was cut off after {seen} of {total} rows")


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """httpx's own way by text takes several times as long."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise TransientError("the snapshot was cut off in the middle of a line")
    return value
