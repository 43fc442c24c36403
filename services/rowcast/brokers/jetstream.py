"""NATS JetStream: a stream a topic, and in it a durable push consumer for each reader, as Dapr would make them.

Source: components-contrib v1.18.4, pubsub/jetstream. Dapr finds the stream by its subject, makes none itself, and takes
a consumer that is there as it is, if its component says nothing else (nats.go, `checkConfig`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

import nats
from nats import errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js import errors as js_errors
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)

from rowcast.brokers.access import (
    SECONDS,
    UNUSABLE,
    Access,
    Address,
    Reader,
    conflict,
    forbidden,
    login_refused,
    unreachable,
)
from rowcast.core.broker import RETENTION_SECONDS, BrokerFacts, GroupFacts, TopicFacts
from rowcast.core.errors import PermanentError, TransientError

DUPLICATES_SECONDS = 120.0
"""How long the server remembers ids: what is published twice with one id in this time, it keeps once."""
ACK_SECONDS = 10.0
"""How long a reader may take for what it was given, before it is given again: a killed one's comes to another then."""
IN_FLIGHT = 1
"""How many messages a reader is given at once: more would wait behind each other, and come again before their turn."""


class JetStreamBroker:
    """One server or a cluster."""

    kind: Literal["jetstream"] = "jetstream"
    publisher = None

    def __init__(self, access: Access, readers: Sequence[Reader], replicas: int) -> None:
        self._access = access
        self._readers = readers
        self._replicas = replicas
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def prepare(self) -> None:
        """Makes streams and consumers, and gives those that are there our settings; see the port."""
        for topic, reader in self._readers:
            async with self._jetstream(f"stream {stream_name(topic)}") as jetstream:
                await self._prepare_stream(jetstream, topic)
                await _prepare_consumer(jetstream, topic, reader)

    async def facts(self) -> BrokerFacts:
        """How it is now."""
        topics: dict[str, TopicFacts] = {}
        readers: dict[str, list[str]] = {}
        for topic, reader in self._readers:
            readers.setdefault(topic, []).append(reader)
        for topic, names in readers.items():
            async with self._jetstream(f"stream {stream_name(topic)}") as jetstream:
                with suppress(js_errors.NotFoundError):
                    stream = await jetstream.stream_info(await _stream_of(jetstream, topic))
                    groups = [await _group(jetstream, stream, name) for name in names]
                    oldest = await self._oldest_at(stream)
                    topics[topic] = _topic(topic, stream, oldest, [group for group in groups if group is not None])
        return BrokerFacts(self.kind, self._version(), tuple(topics.values()))

    async def aclose(self) -> None:
        """Ends the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _version(self) -> str | None:
        if self._client is None:
            return None
        version = self._client.connected_server_version
        return f"{version.major}.{version.minor}.{version.patch}"

    async def _oldest_at(self, stream: StreamInfo) -> datetime | None:
        if self._client is None or not stream.state.messages:
            return None
        # The library leaves this out of what it reads.
        answer = await self._client.request(f"$JS.API.STREAM.INFO.{stream.config.name}", timeout=SECONDS)
        first: str = json.loads(answer.data)["state"]["first_ts"]
        return datetime.fromisoformat(first[:19]).replace(tzinfo=UTC)  # nanoseconds are more than Python reads

    async def _prepare_stream(self, jetstream: JetStreamContext, topic: str) -> None:
        try:
            found = (await jetstream.stream_info(await _stream_of(jetstream, topic))).config
        except js_errors.NotFoundError:
            await jetstream.add_stream(self._wanted_stream(topic))
            return
        stream = f"stream {found.name} of {topic}"
        remedy = "change or delete it, and run `rowcast broker prepare`"
        if found.storage != StorageType.FILE:
            raise conflict(stream, "storage", found.storage, "file", remedy)
        if found.retention not in (None, RetentionPolicy.LIMITS):
            raise conflict(stream, "retention", found.retention, "limits", remedy)
        for field in ("max_msgs", "max_bytes"):
            limit = getattr(found, field)
            if limit is not None and limit > 0 and found.discard == DiscardPolicy.OLD:
                raise conflict(stream, f"{field} {limit} with discard", "old", "new", remedy)

    def _wanted_stream(self, topic: str) -> StreamConfig:
        return StreamConfig(
            name=stream_name(topic),
            subjects=[topic],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            max_age=RETENTION_SECONDS,
            duplicate_window=DUPLICATES_SECONDS,
            num_replicas=self._replicas,
        )

    @asynccontextmanager
    async def _jetstream(self, what: str) -> AsyncIterator[JetStreamContext]:
        address: Address | str = "the URL given"
        user = None
        # The client tells what went wrong on the way to a connection only here, and raises something else.
        causes: list[Exception] = []
        try:
            address = self._access.read()
            user = address.user
            async with asyncio.timeout(SECONDS):
                client = await self._connected(address, causes)
                yield client.jetstream(timeout=SECONDS)
        except js_errors.NotFoundError as error:
            raise TransientError(f"{what}: {error.description}") from error
        except js_errors.ServiceUnavailableError as error:
            raise TransientError(f"{what}: JetStream is off, or not up yet: {error}") from error
        except js_errors.APIError as error:
            raise PermanentError(UNUSABLE, f"{what}: {error.description}") from error
        except (errors.Error, OSError, TimeoutError) as error:
            cause = causes[-1] if causes else error
            if "uthorization" in str(cause):
                raise login_refused(address, user, cause) from error
            if "ermissions" in str(cause):
                raise forbidden(what, cause) from error
            raise unreachable(address, cause) from error

    async def _connected(self, address: Address, causes: list[Exception]) -> Client:
        async def remember(error: Exception) -> None:
            causes.append(error)

        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                if self._client is not None:
                    await self._client.close()
                options: dict[str, Any] = {"user": address.user, "password": address.password}
                if address.parts.scheme == "tls" or self._access.ca_file is not None:
                    options["tls"] = self._access.tls()
                servers = [f"{address.parts.scheme}://{host}:{port}" for host, port in address.hosts]
                self._client = await nats.connect(
                    servers, name="rowcast", allow_reconnect=False, error_cb=remember, connect_timeout=5, **options
                )
            return self._client


def stream_name(topic: str) -> str:
    """A stream's name may have no dots."""
    return topic.replace(".", "_")


async def _stream_of(jetstream: JetStreamContext, topic: str) -> str:
    """The stream that takes `topic`, as Dapr finds it. Raises NotFoundError."""
    return await jetstream.find_stream_name_by_subject(topic)


async def _prepare_consumer(jetstream: JetStreamContext, topic: str, reader: str) -> None:
    stream = await _stream_of(jetstream, topic)
    wanted = ConsumerConfig(
        durable_name=reader,
        deliver_group=reader,
        # Another client than the one that makes the consumer reads from it.
        deliver_subject=f"_INBOX.rowcast.{stream}.{reader}",
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_SECONDS,
        max_deliver=-1,
        max_ack_pending=IN_FLIGHT,
        filter_subject=topic,
    )
    try:
        found = (await jetstream.consumer_info(stream, reader)).config
    except js_errors.NotFoundError:
        await jetstream.add_consumer(stream, wanted)
        return
    remedy = (
        "delete the consumer, run `rowcast broker prepare`, and then `rowcast reconcile`: its place is lost with it"
    )
    for field in ("deliver_group", "deliver_policy", "ack_policy", "filter_subject"):
        if getattr(found, field) != getattr(wanted, field):
            thing = f"consumer {reader} of stream {stream}"
            raise conflict(thing, field, getattr(found, field), getattr(wanted, field), remedy)
    changed = {
        field: getattr(wanted, field)
        for field in ("ack_wait", "max_deliver", "max_ack_pending")
        if getattr(found, field) != getattr(wanted, field)
    }
    if changed:
        # The server changes these in place, and the consumer keeps its place; Dapr's client would refuse them.
        await jetstream.add_consumer(stream, found.evolve(**changed))


async def _group(jetstream: JetStreamContext, stream: StreamInfo, reader: str) -> GroupFacts | None:
    try:
        found: ConsumerInfo = await jetstream.consumer_info(str(stream.config.name), reader)
    except js_errors.NotFoundError:
        return None
    # Several instances share a queue group, and the server only tells whether there is one at all.
    return GroupFacts(
        reader,
        lag=found.num_pending,
        unanswered=found.num_ack_pending,
        consumers=None if found.push_bound else 0,
    )


def _topic(name: str, stream: StreamInfo, oldest_at: datetime | None, groups: Sequence[GroupFacts]) -> TopicFacts:
    state = stream.state
    return TopicFacts(
        name,
        messages=state.messages,
        bytes=state.bytes,
        oldest_at=oldest_at,
        retention_seconds=stream.config.max_age or None,
        groups=tuple(groups),
    )
