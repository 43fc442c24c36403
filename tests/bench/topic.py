"""The topic of changes, as Kafka tells about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

CHANGES = "rowcast.public.app_configs"


class Topic:
    """Asked anew each time."""

    def __init__(self, admin: KafkaAdminClient) -> None:
        self._admin = admin

    def partitions(self) -> int:
        """How many there are; 0 where there is no topic yet."""
        return len(self._parts())

    def messages(self) -> int:
        """How many have ever been in it, those of transactions' ends not taken out."""
        ends = self._admin.list_partition_offsets(dict.fromkeys(self._parts(), OffsetSpec.LATEST))
        return sum(end.offset for end in ends.values())

    def _parts(self) -> list[TopicPartition]:
        if CHANGES not in self._admin.list_topics():
            return []
        return [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in self._admin.describe_topics([CHANGES])
            for partition in topic["partitions"]
        ]


@contextmanager
def topic_of(bootstrap: str) -> Iterator[Topic]:
    """The one at this Kafka, `host:port`."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        yield Topic(admin)
    finally:
        admin.close()
