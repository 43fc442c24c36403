"""The brokers, natively: what their readers need is made, and how full they are is told. One module a kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rowcast.brokers.access import Access
from rowcast.core.broker import Broker, BrokerKind, subscriptions

APP_ID = "{appID}"
"""Stands for the application's id in `consumer`, as in Dapr's components."""


def connect(
    kind: BrokerKind,
    url: str | Path,
    ca_file: Path | None,
    prefix: str,
    targets: Sequence[str],
    *,
    consumer: str = APP_ID,
    replicas: int = 1,
    partitions: int = 6,
) -> Broker:
    """The broker of `kind`; nothing is connected to before it is asked for something.

    `url`, or a file with it that is read at each connection: `redis://[user:password@]host:port`, `amqp://…/vhost`,
    `nats://…`, `[kafka://user:password@]host:port,host:port`; with TLS `rediss`, `amqps`, `tls`, `kafkas`. `ca_file`:
    whose certificates are believed, else the system's. `consumer`: what Dapr's component has as consumerID,
    consumerGroup or durableName. `replicas` is JetStream's and Kafka's, `partitions` Kafka's, of what is made anew.
    A wrong URL is a PermanentError when it is used.
    """
    access = Access(kind, url, ca_file)
    readers = [(each.topic, consumer.replace(APP_ID, each.app_id)) for each in subscriptions(prefix, targets)]
    # Each brings a library: only the one that is used is loaded.
    if kind == "redis":
        from rowcast.brokers.redis import RedisBroker

        return RedisBroker(access, readers)
    if kind == "rabbitmq":
        from rowcast.brokers.rabbitmq import RabbitmqBroker

        return RabbitmqBroker(access, readers)
    if kind == "jetstream":
        from rowcast.brokers.jetstream import JetStreamBroker

        return JetStreamBroker(access, readers, replicas)
    from rowcast.brokers.kafka import KafkaBroker

    return KafkaBroker(access, readers, partitions=partitions, replicas=replicas)
