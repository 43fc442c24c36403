"""A broker that takes nothing more for a while, and one that has lost what it had said it has."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiormq
import nats
from nats.js import JetStreamContext
from redis import Redis

from chaos.arena import Arena
from chaos.faults.fault import Fault, hold
from chaos.verdict import wait
from rowcast.core.broker import subscriptions

READERS = subscriptions("rowcast", ("k8s", "git"))
TOPICS = sorted({one.topic for one in READERS})


@contextmanager
def full(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """Everything that is published is refused: no memory left to Redis, no message more for a stream of JetStream's."""
    refusing = {"redis": _no_memory, "jetstream": _full_streams}[arena.platform.broker]
    with refusing(arena):
        yield


@contextmanager
def _no_memory(arena: Arena) -> Iterator[None]:
    with Redis.from_url(arena.platform.blueprint.broker.url) as redis:
        redis.config_set("maxmemory", "1")
        try:
            yield
        finally:
            redis.config_set("maxmemory", "0")


@contextmanager
def _full_streams(arena: Arena) -> Iterator[None]:
    _limit_streams(arena, most=1)
    try:
        yield
    finally:
        _limit_streams(arena, most=-1)


def _limit_streams(arena: Arena, most: int) -> None:
    async def limit(jetstream: JetStreamContext) -> None:
        for name in map(_stream, TOPICS):
            config = (await jetstream.stream_info(name)).config
            # What is in it stays: with this the server refuses what is new, instead of dropping what is old.
            await jetstream.update_stream(config.evolve(discard="new", max_msgs=most))

    assert not (why := wait(lambda: _with_jetstream(arena, limit), 30)), why


@contextmanager
def emptied(arena: Arena, chance: random.Random) -> Iterator[None]:
    """All that waits in it is gone, again and again, as after a crash of a disk that lies: news, statuses, everything.

    Nobody is told: the level-triggered look at what hasn't arrived has to find it.
    """
    empty = {"redis": _empty_redis, "rabbitmq": _empty_rabbitmq, "jetstream": _empty_jetstream}[arena.platform.broker]
    times = chance.randrange(1, 20)
    for _ in range(times):
        hold(chance, 0.02, 0.3)
        assert not (why := wait(lambda: empty(arena), 30)), why
    arena.notes.append(f"emptied {times} times")
    yield


def _empty_redis(arena: Arena) -> list[str]:
    with Redis.from_url(arena.platform.blueprint.broker.url) as redis:
        for topic in TOPICS:
            redis.xtrim(topic, maxlen=0, approximate=False)
    return []


def _empty_rabbitmq(arena: Arena) -> list[str]:
    async def empty() -> None:
        connection = await aiormq.connect(arena.platform.blueprint.broker.url)
        try:
            channel = await connection.channel()
            for one in READERS:
                await channel.queue_purge(f"{one.app_id}-{one.topic}")
        finally:
            await connection.close()

    return _ran(empty())


def _empty_jetstream(arena: Arena) -> list[str]:
    async def empty(jetstream: JetStreamContext) -> None:
        for name in map(_stream, TOPICS):
            await jetstream.purge_stream(name)

    return _with_jetstream(arena, empty)


def _with_jetstream(arena: Arena, do: Callable[[JetStreamContext], Awaitable[None]]) -> list[str]:
    async def connected() -> None:
        async with _jetstream(arena.platform.blueprint.broker.url) as jetstream:
            await do(jetstream)

    return _ran(connected())


@asynccontextmanager
async def _jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(url, allow_reconnect=False, connect_timeout=5)
    try:
        yield client.jetstream(timeout=5)
    finally:
        await client.close()


def _ran(doing: Awaitable[None]) -> list[str]:
    """Why it did not work: another fault at the same time."""

    async def do() -> None:
        await asyncio.wait_for(doing, 10)

    try:
        asyncio.run(do())
    except (OSError, TimeoutError, nats.errors.Error, aiormq.exceptions.AMQPError) as error:
        return [repr(error)]
    return []


def _stream(topic: str) -> str:
    return topic.replace(".", "_")


def only(*kinds: str) -> Callable[[Arena], str | None]:
    """Why it can't be had with this broker."""
    return lambda arena: None if arena.platform.broker in kinds else f"not tried with {arena.platform.broker}"


FAULTS = (
    Fault("the broker is full", "full broker", full, (1, 6), "broker", only("redis", "jetstream")),
    Fault(
        "the broker loses what waits",
        "broker's loss",
        emptied,
        (0.5, 2),
        "broker",
        only("redis", "rabbitmq", "jetstream"),
    ),
)
