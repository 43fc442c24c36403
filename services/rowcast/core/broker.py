"""The broker: what capture and the pipeline's page need of it besides publishing and subscribing, which are Dapr's.

`None` in a fact means that this broker does not tell it; what could not be asked for is a TransientError instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

BrokerKind = Literal["kafka", "redis", "rabbitmq", "jetstream"]

RETENTION_SECONDS = 168 * 3600
"""How long what everybody has read may be kept, in seconds: a week, where the broker can be told."""
LARGEST_EVENT_BYTES = 15 * 1024 * 1024
"""What sidecars and services pass on, who take 16 MiB with all that is around an event."""
SUBSCRIPTION_METADATA = {"queueType": "quorum"}
"""What every subscription says to Dapr: RabbitMQ alone asks, and would make a queue that a crash can empty."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """That the application `app_id` reads `topic`."""

    topic: str
    app_id: str


def subscriptions(prefix: str, targets: Sequence[str]) -> tuple[Subscription, ...]:
    """Who reads what: whatever is published to one of these topics must wait for its reader, wherever that is.

    Source: `rowcast.crud.subscription` and `rowcast.sync.subscription`, which announce the same to Dapr.
    """
    reports = [Subscription(f"{prefix}.{topic}", "crud") for topic in ("sync-status", "dead-letters")]
    changes = [Subscription(f"{prefix}.public.app_configs", f"sync-{target}") for target in targets]
    replays = [Subscription(f"{prefix}.replay.{target}", f"sync-{target}") for target in targets]
    return (*changes, *replays, *reports)


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One reader's place in one topic.

    `lag`: messages in the broker that have not been given to it (with Kafka: that it has not answered).
    `unanswered`: messages that have been given to it and not been answered. `consumers`: how many read just now.
    """

    name: str
    lag: int | None = None
    unanswered: int | None = None
    consumers: int | None = None


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic: `messages` and `bytes` that are kept, when the oldest of them came, and for how long they are."""

    name: str
    messages: int | None = None
    bytes: int | None = None
    oldest_at: datetime | None = None
    retention_seconds: float | None = None
    groups: tuple[GroupFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """All of Rowcast's topics, and of no other's; one that does not exist is missing here.

    `warnings`: what of the broker's own settings can lose messages, one sentence each with the remedy.
    """

    kind: str
    version: str | None = None
    topics: tuple[TopicFacts, ...] = ()
    warnings: tuple[str, ...] = ()


class Publisher(Protocol):
    """Publishes natively, where Dapr's component would report as done what the broker has never confirmed."""

    async def publish(self, topic: str, events: Sequence[bytes]) -> None:
        """Puts CloudEvents (whole, as JSON in UTF-8) into `topic`, in their order.

        Returns when the broker has confirmed that every one is safely in every reader's queue. After any error some of
        them may be there and some not: publish all of them again, in the same order, for the fence makes a repeat
        harmless. Raises TransientError, also if a queue is missing (call `prepare` again); TooLargeError;
        PermanentError.
        """


class Broker(Protocol):
    """A broker, natively. Not for use by several threads or event loops."""

    @property
    def kind(self) -> BrokerKind:
        """Which it is."""

    @property
    def publisher(self) -> Publisher | None:
        """How to publish here so that a return means *arrived*; None: through Dapr, whose answer means that already."""

    async def prepare(self) -> None:
        """Makes what every reader needs (topics, streams, queues, groups), so that nothing published is dropped.

        Changes nothing that is right already, and loses no message and no reader's place. Raises TransientError when
        the broker does not answer, PermanentError for a wrong login, a missing right, or something of that name that
        differs where it can't be changed: the text names the thing, the field, and both values.
        """

    async def facts(self) -> BrokerFacts:
        """How it is now. Raises TransientError or PermanentError, as `prepare`."""

    async def aclose(self) -> None:
        """Ends its connections."""
