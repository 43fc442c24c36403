"""What Connect has written to the topic of changes, read by a client of Kafka's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from rowcast_local.platform import Platform

TOPIC = "rowcast.public.app_configs"


def end_of_topic(platform: Platform) -> dict[TopicPartition, int]:
    """Where the next event of each partition will be."""
    with _reader(platform) as consumer:
        return dict(consumer.end_offsets(list(consumer.assignment())))


def messages(platform: Platform, since: Mapping[TopicPartition, int]) -> list[tuple[int, Any, dict[str, Any]]]:
    """Partition, key and event of whatever was written since, in the order of each partition.

    Not those before: other tests put there what no JSON parser takes.
    """
    with _reader(platform) as consumer:
        for partition, offset in since.items():
            consumer.seek(partition, offset)
        return [(each.partition, json.loads(each.key), json.loads(each.value)) for each in consumer]


@contextmanager
def _reader(platform: Platform) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(bootstrap_servers=platform.blueprint.kafka.bootstrap, consumer_timeout_ms=3000)
    try:
        consumer.assign([TopicPartition(TOPIC, each) for each in consumer.partitions_for_topic(TOPIC)])
        yield consumer
    finally:
        consumer.close()
