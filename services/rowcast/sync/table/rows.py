"""The table of desired states, read through crud by way of this instance's own sidecar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import httpx
import orjson

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.events import read
from rowcast.core.moves import Reported, Whereabouts
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.core.shapes import shape_of
from rowcast.runtime.settings import Settings
from rowcast.sync.rendering import Rendering, Revision
from rowcast.sync.table.visibility import Visibility, visibility

ROUTE = "/rows:snapshot"
LATE = "/rows:late"
CRUD = "crud"


ROWS_AT_ONCE, BYTES_AT_ONCE = 100, 3_000
"""Keep the request's line well under the 32 KiB that sidecars take; of a single key, 2,600 bytes, it may be 7,800."""
READS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The table at one moment: its place in the log, how many rows it has, and these, to be read once.

    `visible` is None when crud doesn't tell it (before 0.2): then everything that was captured counts as seen.
    """

    lsn: int
    total: int
    rows: AsyncIterator[Desired]
    visible: Visibility | None = None


@dataclass(slots=True)
class Found:
    """Some rows as the table has them. `lsn` is a place in the log at which it had them; what was asked for and is not
    in `rows` was gone, or not there yet.
    """

    rows: dict[RowKey, Desired] = field(default_factory=dict)
    lsn: int = 0
    seen: dict[RowKey, Visibility | None] = field(default_factory=dict)

    def shows(self, row: RowKey, transaction: int | None) -> bool:
        """Whether what a transaction has done to a row was visible when the row was read."""
        visible = self.seen[row]
        return transaction is None or visible is None or visible.sees(transaction)

    def gone(self, row: RowKey, transaction: int | None) -> bool:
        """Whether the table has the row no more. `transaction` is one that has written it.

        Raises TransientError while it can't be told: what was captured is not always visible at once.
        """
        if row in self.rows:
            return False
        if not self.shows(row, transaction):
            raise TransientError(f"row {row}: the table does not show yet what was captured of it")
        return True


@dataclass(frozen=True, slots=True)
class LateRow:
    """A row that a target has not reported since its last change; `deleted`: it is gone from the table."""

    row: RowKey
    generation: int
    name: str
    environment: str
    deleted: bool
    actor: str


class Table(Protocol):
    """Reads the table. Whatever is not the whole of what was asked for is a TransientError, not a smaller table."""

    def snapshot(self, rows: Sequence[RowKey] = ()) -> AbstractAsyncContextManager[Snapshot]:
        """Every row, or of these rows those that there are, at one moment. Raises TransientError."""
        ...


async def find(table: Table, rows: Iterable[RowKey]) -> Found:
    """Read rows by their keys, however many there are. Raises TransientError."""
    found = Found()
    turn = asyncio.Semaphore(READS_AT_ONCE)

    async def part(some: Sequence[RowKey]) -> int:
        async with turn, table.snapshot(some) as snapshot:
            found.seen |= dict.fromkeys(some, snapshot.visible)
            found.rows |= {desired.row: desired async for desired in snapshot.rows}
            return snapshot.lsn

    found.lsn = min(await asyncio.gather(*map(part, _parts(rows))), default=0)
    return found


def _parts(rows: Iterable[RowKey]) -> Iterator[list[RowKey]]:
    """So many at a time as one request may name."""
    part: list[RowKey] = []
    room = BYTES_AT_ONCE
    for row in sorted(set(rows)):
        size = len(urlencode({"row": str(row)})) + 1
        if part and (size > room or len(part) == ROWS_AT_ONCE):
            yield part
            part, room = [], BYTES_AT_ONCE
        part.append(row)
        room -= size
    if part:
        yield part


class CrudTable:
    """The `Table` of crud, over its sidecar's and ours."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        token = settings.dapr_api_token
        self.rendering = Rendering(self)
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

    async def whereabouts(self, rows: Collection[RowKey]) -> Mapping[RowKey, Whereabouts]:
        """What the targets have told of those of these rows that there are. Raises TransientError."""
        turn = asyncio.Semaphore(READS_AT_ONCE)

        async def part(some: Sequence[RowKey]) -> dict[RowKey, Whereabouts]:
            async with turn, self._lines({"row": list(map(str, some)), "sync": "true"}) as (moment, lines):
                rows = _until_the_end(lines, moment["rows"])
                return dict([await self._whereabouts(row, moment) async for row in rows])

        found: dict[RowKey, Whereabouts] = {}
        for some in await asyncio.gather(*map(part, _parts(rows))):
            found |= some
        return found

    async def late(
        self,
        target: str,
        seconds: float,
        after: RowKey | None = None,
        within: float | None = None,
        before: datetime | None = None,
    ) -> tuple[Sequence[LateRow], bool]:
        """The first rows after the row `after` that the target is late with, and whether there may be more.

        `within`: only those that were changed no longer ago than so many seconds; `before`: only those that were
        changed before that moment of the database's. Raises TransientError.
        """
        parameters: dict[str, Any] = {"target": target, "seconds": seconds}
        if after is not None:
            parameters["after"] = str(after)
        if within is not None:
            parameters["within"] = within
        if before is not None:
            parameters["before"] = before.isoformat()
        try:
            response = await self._client.get(LATE, params=parameters)
            if response.status_code != httpx.codes.OK:
                raise TransientError(f"crud answered {response.status_code}: {response.text[:200]}")
            answer = response.json()
            return [_late_row(row) for row in answer["rows"]], bool(answer["more"])
        except httpx.HTTPError as error:
            raise TransientError(f"cannot read the table: {str(error) or type(error).__name__}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TransientError(f"crud's answer is no list of late rows: {error!r}") from error

    @asynccontextmanager
    async def snapshot(self, rows: Sequence[RowKey] = ()) -> AsyncIterator[Snapshot]:
        """Read rows as they stream in. Raises TransientError for anything but a whole answer."""
        async with self._lines({"row": list(map(str, rows))}) as (moment, lines):
            read_rows = _rows(lines, moment["lsn"], moment["rows"], self.rendering)
            yield Snapshot(moment["lsn"], moment["rows"], read_rows, _visible(moment.get("visible")))

    async def revision(self, name: str, number: int) -> Revision:
        """A renderer's revision, as `Revisions` has it. Raises TransientError."""
        try:
            response = await self._client.get(f"/renderers/{quote(name, safe='')}/revisions/{number}")
            if response.status_code != httpx.codes.OK:
                raise TransientError(f"renderer {name}, revision {number}: crud answered {response.status_code}")
            answer = response.json()
            return Revision(answer["text"], shape_of(answer["shape"]))
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise TransientError(f"renderer {name}, revision {number}: {reason}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"crud's answer is no revision: {error!r}"
            raise TransientError(f"renderer {name}, revision {number}: {reason}") from error

    async def renderers(self) -> Sequence[tuple[str, int]]:
        """Every renderer that was applied and not deleted since, and its newest revision. Raises TransientError."""
        try:
            response = await self._client.get("/renderers", params={"counts": "false"})
            if response.status_code != httpx.codes.OK:
                raise TransientError(f"renderers: crud answered {response.status_code}")
            there = [one for one in response.json()["items"] if not one.get("deleted", False)]
            # The crud of the version before tells of the newest only.
            return [(str(one["name"]), int(one.get("newest", one["revision"]))) for one in there]
        except httpx.HTTPError as error:
            raise TransientError(f"renderers: {str(error) or type(error).__name__}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientError(f"renderers: crud's answer is no list of renderers: {error!r}") from error

    async def _whereabouts(self, row: Mapping[str, Any], moment: Mapping[str, Any]) -> tuple[RowKey, Whereabouts]:
        """A crud of before 0.2 tells nothing of targets: then nobody is waited for."""
        desired = await _desired(row, moment["lsn"], self.rendering)
        try:
            told: Mapping[str, Mapping[str, Any] | None] = row.get("sync") or {}
            at = {target: _reported(one) for target, one in told.items()}
            kinds = dict(moment.get("kinds") or {})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TransientError(f"crud's answer does not tell where a row is: {error}") from error
        return desired.row, Whereabouts(desired.environment, desired.generation, at, kinds)

    @asynccontextmanager
    async def _lines(self, parameters: Mapping[str, Any]) -> AsyncIterator[tuple[dict[str, Any], AsyncIterator[bytes]]]:
        try:
            async with self._client.stream("GET", ROUTE, params=parameters) as response:
                if response.status_code != httpx.codes.OK:
                    text = (await response.aread()).decode(errors="replace")
                    raise TransientError(f"crud answered {response.status_code}: {text[:200]}")
                async with aclosing(_lines(response)) as lines:
                    moment = _parsed(await anext(lines, b""))
                    if not {"lsn", "rows"} <= moment.keys():
                        raise TransientError("crud's answer is no snapshot")
                    yield moment, lines
        except httpx.HTTPError as error:
            raise TransientError(f"cannot read the table: {str(error) or type(error).__name__}") from error


def _late_row(row: Mapping[str, Any]) -> LateRow:
    key = RowKey(row["renderer"], row["key"])
    return LateRow(key, row["generation"], row["name"], row["environment"], row["deleted"], row["actor"])


def _visible(text: object) -> Visibility | None:
    try:
        return visibility(text) if isinstance(text, str) else None
    except ValueError as error:
        raise TransientError(f"crud's answer is no snapshot: visible {text!r}") from error


async def _rows(lines: AsyncIterator[bytes], lsn: int, total: int, rendering: Rendering) -> AsyncIterator[Desired]:
    async for row in _until_the_end(lines, total):
        yield await _desired(row, lsn, rendering)


async def _desired(row: Mapping[str, Any], lsn: int, rendering: Rendering) -> Desired:
    try:
        change = read(row, lsn)
    except PermanentError as error:
        raise TransientError(f"crud answered with a row that cannot be read: {error}") from error
    return await rendering.one(change)


async def _until_the_end(lines: AsyncIterator[bytes], total: int) -> AsyncIterator[dict[str, Any]]:
    seen = 0
    async for line in lines:
        row = _parsed(line)
        if row.get("end"):
            if seen == row.get("rows") == total:
                with suppress(httpx.HTTPError):  # all of it has come
                    async for _ in lines:
                        pass
                return
            break
        seen += 1
        yield row
    raise TransientError(f"the snapshot was cut off after {seen} of {total} rows")


def _reported(one: Mapping[str, Any] | None) -> Reported | None:
    if one is None:
        return None
    return Reported(one["generation"], one["deleted"], one["outcome"], one["stage"], one.get("stage_error"))


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
