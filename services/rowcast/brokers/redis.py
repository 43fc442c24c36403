"""Redis Streams: a stream a topic, and in it a group for each reader, from the stream's first entry on.

Source of what Dapr does with them: components-contrib v1.18.4, pubsub/redis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from redis import exceptions
from redis.asyncio import Redis

from rowcast.brokers.access import SECONDS, UNUSABLE, Access, Address, Reader, forbidden, login_refused, unreachable
from rowcast.core.broker import BrokerFacts, GroupFacts, TopicFacts
from rowcast.core.errors import PermanentError

_PAGE = 1000
_PAGES = 100

# Before Redis 7 a group's lag can only be counted. Here nothing but two small values crosses the network.
_COUNT = """
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
return {#entries, #entries > 0 and entries[#entries][1] or ARGV[1]}
"""


class RedisBroker:
    """One server, or one that stands for several."""

    kind: Literal["redis"] = "redis"
    publisher = None

    def __init__(self, access: Access, readers: Sequence[Reader]) -> None:
        self._access = access
        self._readers = readers
        self._connected: tuple[Redis, Address] | None = None

    async def prepare(self) -> None:
        """Makes each stream with its groups; see the port."""
        async with self._client() as client:
            _refuse_eviction(await client.info("memory"))
            for topic, group in self._readers:
                try:
                    await client.xgroup_create(topic, group, id="0", mkstream=True)
                except exceptions.ResponseError as error:
                    if str(error).startswith("WRONGTYPE"):
                        raise PermanentError(UNUSABLE, f"the key {topic} is there and is no stream") from error
                    if not str(error).startswith("BUSYGROUP"):
                        raise

    async def facts(self) -> BrokerFacts:
        """How it is now. Retention is not the server's: Dapr trims by `streamTTL` as it publishes."""
        async with self._client() as client:
            server = {**await client.info(), **await _fsync(client)}
            topics = [await self._topic(client, topic) for topic in dict.fromkeys(topic for topic, _ in self._readers)]
        return BrokerFacts(
            self.kind,
            str(server["redis_version"]),
            tuple(topic for topic in topics if topic is not None),
            warnings=tuple(warnings(server)),
        )

    async def aclose(self) -> None:
        """Ends the connections."""
        if self._connected is not None:
            await self._connected[0].aclose()
            self._connected = None

    async def _topic(self, client: Redis, name: str) -> TopicFacts | None:
        try:
            stream: dict[str, Any] = await client.xinfo_stream(name)
        except exceptions.ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
        first = stream["first-entry"]
        return TopicFacts(
            name,
            messages=stream["length"],
            bytes=await client.memory_usage(name),
            oldest_at=_came_at(first[0]) if first else None,
            groups=tuple([await self._group(client, name, stream, each) for each in await client.xinfo_groups(name)]),
        )

    async def _group(
        self, client: Redis, topic: str, stream: Mapping[str, Any], group: Mapping[str, Any]
    ) -> GroupFacts:
        lag = group.get("lag")
        if group["last-delivered-id"] == stream["last-generated-id"]:
            lag = 0
        elif lag is None:
            lag = await _counted(client, topic, _text(group["last-delivered-id"]))
        return GroupFacts(_text(group["name"]), lag=lag, unanswered=group["pending"], consumers=group["consumers"])

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Redis]:
        if self._connected is None:
            self._connected = self._connect()
        client, address = self._connected
        try:
            yield client
        except (exceptions.AuthenticationError, exceptions.AuthenticationWrongNumberOfArgsError) as error:
            raise login_refused(address, address.user, error) from error
        except exceptions.NoPermissionError as error:
            raise forbidden("what Rowcast needs of it", error) from error
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            if str(error).startswith("NOAUTH"):
                raise login_refused(address, address.user, error) from error
            raise unreachable(address, error) from error

    def _connect(self) -> tuple[Redis, Address]:
        address = self._access.read()
        host, port = address.hosts[0]
        options: dict[str, Any] = {}
        if address.parts.scheme == "rediss":
            options = {"ssl": True, "ssl_ca_certs": str(self._access.ca_file) if self._access.ca_file else None}
        client = Redis(
            host=host,
            port=port,
            username=address.user or None,
            password=address.password,
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            **options,
        )
        return client, address


async def _counted(client: Redis, topic: str, after: str) -> int:
    """Entries after an id; of very many, at least so many."""
    lag = 0
    for _ in range(_PAGES):
        count, last = await client.eval(_COUNT, 1, topic, after, _PAGE)
        lag, after = lag + count, _text(last)
        if count < _PAGE:
            break
    return lag


def _refuse_eviction(memory: Mapping[str, Any]) -> None:
    policy = memory.get("maxmemory_policy", "noeviction")
    if memory.get("maxmemory") and str(policy).startswith("allkeys"):
        raise PermanentError(
            UNUSABLE,
            f"Redis has maxmemory-policy {policy}, and drops whole streams when it is full: set it to noeviction",
        )


async def _fsync(client: Redis) -> Mapping[str, Any]:
    try:
        return {str(name): value for name, value in (await client.config_get("appendfsync")).items()}
    except exceptions.ResponseError:
        return {}  # many a provider hides its configuration


def warnings(server: Mapping[str, Any]) -> list[str]:
    """What of a server's own settings (INFO, and CONFIG where it tells) can lose messages."""
    if not server.get("aof_enabled"):
        return ["Redis has no append-only file: what it holds is gone when it ends. Set appendonly yes."]
    if server.get("appendfsync", "always") != "always":
        return ["Redis may lose what it took last when its machine ends. Set appendfsync always."]
    return []


def _came_at(entry_id: object) -> datetime:
    milliseconds = int(_text(entry_id).partition("-")[0])
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
