"""RabbitMQ: a fanout exchange a topic, and bound to it a quorum queue for each reader, declared as Dapr declares them.

Source: components-contrib v1.18.4, pubsub/rabbitmq (`ensureExchangeDeclared`, `prepareSubscription`). What it publishes
is here published natively: the component reports success for what the broker has not confirmed, or has refused
(`publishSync` logs "did not receive confirmation" and returns no error).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import aiormq
from aiormq import exceptions
from aiormq.abc import AbstractChannel, AbstractConnection
from pamqp.commands import Basic

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
from rowcast.core.broker import LARGEST_EVENT_BYTES, BrokerFacts, GroupFacts, Publisher, TopicFacts
from rowcast.core.errors import PermanentError, TooLargeError, TransientError

_QUORUM = {"x-queue-type": "quorum"}
_PERSISTENT = 2
_INEQUIVALENT = re.compile(r"inequivalent arg '([^']*)'.*?: received (.*) but current is (.*?)['\"]?$")
_REMEDY = "let it be read empty, delete it, and let `rowcast broker prepare` make it anew"


class RabbitmqBroker:
    """One node, or one that stands for a cluster; publishes for itself."""

    kind: Literal["rabbitmq"] = "rabbitmq"

    def __init__(self, access: Access, readers: Sequence[Reader]) -> None:
        self.publisher: Publisher | None = self
        self._access = access
        self._readers = readers
        self._connection: AbstractConnection | None = None
        self._publishing: AbstractChannel | None = None
        self._connecting = asyncio.Lock()
        self._alone = asyncio.Lock()

    async def prepare(self) -> None:
        """Declares exchanges, queues and bindings; see the port."""
        for topic, reader in self._readers:
            queue = queue_name(topic, reader)
            async with self._channel(f"queue {queue}") as channel:
                await channel.exchange_declare(topic, exchange_type="fanout", durable=True)
                await channel.queue_declare(queue, durable=True, arguments=dict(_QUORUM))
                await channel.queue_bind(queue, topic)

    async def facts(self) -> BrokerFacts:
        """How it is now. AMQP tells of a queue what is ready and who reads, and neither bytes nor what is unanswered.

        A queue keeps what is in it until it is read, and nothing after that: no retention.
        """
        groups: dict[str, list[GroupFacts]] = {}
        for topic, reader in self._readers:
            group = await self._group(topic, reader)
            if group is not None:
                groups.setdefault(topic, []).append(group)
        topics = tuple(TopicFacts(topic, groups=tuple(each)) for topic, each in groups.items())
        return BrokerFacts(self.kind, self._version(), topics)

    async def publish(self, topic: str, events: Sequence[bytes]) -> None:
        """Publishes all at once, in order, and waits until every queue that is bound has confirmed each; see the port.

        One channel keeps the order, and one call at a time: whatever is wrong with one event ends the channel, for all
        that is on its way. `mandatory` is for a topic without any queue: RabbitMQ would drop the event.
        """
        largest = max(map(len, events), default=0)
        if largest > LARGEST_EVENT_BYTES:
            # The broker would take it, and its reader's sidecar would try for ever.
            raise TooLargeError(f"publishing to {topic}: {largest} bytes are more than a sidecar passes on")
        async with self._alone:
            try:
                async with self._errors(f"publishing to {topic}"):
                    await self._publish(await self._publishing_channel(), topic, events)
            except BaseException:
                # What is left on its way here has no business among what is published again.
                await self._forget_channel()
                raise

    async def _publish(self, channel: AbstractChannel, topic: str, events: Sequence[bytes]) -> None:
        publishing = [
            channel.basic_publish(
                event,
                exchange=topic,
                properties=Basic.Properties(content_type="application/cloudevents+json", delivery_mode=_PERSISTENT),
                mandatory=True,
            )
            for event in events
        ]
        # An error of one must not leave the others on their way.
        for result in await asyncio.gather(*publishing, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _forget_channel(self) -> None:
        channel, self._publishing = self._publishing, None
        if channel is not None and not channel.is_closed:
            with suppress(exceptions.AMQPError, OSError, TimeoutError):
                await asyncio.wait_for(channel.close(), SECONDS)

    async def aclose(self) -> None:
        """Ends the connection."""
        connection, self._connection, self._publishing = self._connection, None, None
        if connection is not None and not connection.is_closed:
            await connection.close()

    async def _group(self, topic: str, reader: str) -> GroupFacts | None:
        queue = queue_name(topic, reader)
        try:
            async with self._channel(f"queue {queue}") as channel:
                declared = await channel.queue_declare(queue, passive=True)
        except _MissingError:
            return None
        if declared is None:
            return None
        return GroupFacts(reader, lag=declared.message_count, consumers=declared.consumer_count)

    def _version(self) -> str | None:
        properties = getattr(self._connection, "server_properties", None) or {}
        version = properties.get("version")
        return version.decode() if isinstance(version, bytes) else version

    async def _publishing_channel(self) -> AbstractChannel:
        if self._publishing is None or self._publishing.is_closed:
            connection = await self._connected()
            self._publishing = await connection.channel(publisher_confirms=True, on_return_raises=True)
        return self._publishing

    @asynccontextmanager
    async def _channel(self, what: str) -> AsyncIterator[AbstractChannel]:
        # A channel of its own for each: one refusal ends the channel.
        async with self._errors(what):
            connection = await self._connected()
            channel = await connection.channel(publisher_confirms=False)
            yield channel
            await channel.close()

    async def _connected(self) -> AbstractConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_closed:
                address = self._access.read()
                context = self._access.tls() if address.parts.scheme == "amqps" else None
                try:
                    self._connection = await aiormq.connect(address.text, context=context)
                except (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError) as error:
                    raise login_refused(address, address.user, error) from error
            return self._connection

    @asynccontextmanager
    async def _errors(self, what: str) -> AsyncIterator[None]:
        address: Address | str = "the URL given"
        try:
            address = self._access.read()
            async with asyncio.timeout(SECONDS):
                yield
        except exceptions.ChannelPreconditionFailed as error:
            raise _refused(what, error) from error
        except exceptions.ChannelNotFoundEntity as error:
            raise _MissingError(f"{what}: {error}") from error
        except exceptions.PublishError as error:
            raise _MissingError(f"{what}: no queue takes what is published, so it would be dropped") from error
        except exceptions.DeliveryError as error:
            raise TransientError(f"{what}: the broker did not take it") from error
        except (exceptions.ChannelAccessRefused, exceptions.ConnectionNotAllowed) as error:
            raise forbidden(what, error) from error
        except (exceptions.AMQPError, OSError, TimeoutError, asyncio.InvalidStateError) as error:
            raise unreachable(address, error) from error


class _MissingError(TransientError):
    """There is no such queue or exchange: `prepare` makes it."""


def queue_name(topic: str, reader: str) -> str:
    """The queue that Dapr reads for `reader`, its consumerID."""
    return f"{reader}-{topic}"


def _refused(what: str, error: BaseException) -> TransientError | PermanentError:
    # The broker's own words; AMQP has one code for all of them.
    text = str(error)
    if "larger than" in text:
        return TooLargeError(f"{what}: {text}")
    if found := _INEQUIVALENT.search(text):
        field, wanted, current = found.groups()
        return conflict(what, field, current, wanted, _REMEDY)
    return PermanentError(UNUSABLE, f"{what}: {text}")
