"""A reverse proxy as an Ingress with session affinity is one: a cookie keeps each browser at one of several servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Thread

COOKIE = "replica"
_END = b"\r\n\r\n"
_CHOSEN = re.compile(rb"\bcookie:[^\r]*\breplica=(\d+)", re.IGNORECASE)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextmanager
def affinity(port: int, replicas: Sequence[int]) -> Iterator[str]:
    """Serves at a port of the loopback what those at `replicas` serve; yields its address.

    Who comes for the first time, or whose server is gone, gets the next one that answers.
    """
    loop, ready = asyncio.new_event_loop(), Event()
    turns = count()

    async def connected(head: bytes) -> tuple[int, Streams]:
        known = _CHOSEN.search(head)
        turn = next(turns) % len(replicas) if known is None else 0
        others = (*replicas[turn:], *replicas[:turn])
        for replica in (*((int(known[1]),) if known else ()), *others):
            with suppress(OSError):
                return replica, await asyncio.open_connection("127.0.0.1", replica)
        raise ConnectionError("no server is there")

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(_END)
            replica, (answer, request) = await connected(head)
            request.write(head)
            sending = asyncio.ensure_future(pass_on(reader, request))
            begin = (await answer.readuntil(_END)).removesuffix(_END)
            writer.write(begin + f"\r\nset-cookie: {COOKIE}={replica}; path=/".encode() + _END)
            await pass_on(answer, writer)
            await sending
        writer.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", port, limit=2**20))
        ready.set()
        loop.run_forever()
        open_ones = asyncio.all_tasks(loop)
        for task in open_ones:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*open_ones, return_exceptions=True))
        loop.close()

    thread = Thread(target=run, name="affinity", daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
