"""Kafka: topics, how far each reader's group is behind, and how full they are.

The library's administration is made of blocking calls: they are made on one thread of ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from rowcast.brokers.access import (
    SECONDS,
    UNUSABLE,
    Access,
    Address,
    Reader,
    forbidden,
    login_refused,
    unreachable,
)
from rowcast.core.broker import RETENTION_SECONDS, BrokerFacts, GroupFacts, TopicFacts
from rowcast.core.errors import PermanentError

_MILLISECONDS = int(SECONDS * 1000)
_FIRST_TIMESTAMP = 0
"""Asking for the first record since 1970 gives the oldest one, and when it came."""

_T = TypeVar("_T")


def _read_to_the_end(transport: type[Any]) -> None:
    """Let the library read what a server said last: it drops what it finds together with the end of a connection.

    A broker says why it refuses a login and hangs up at once, so the reason was lost where our thread came late to it.
    The end is found again at the next look. Source: kafka-python 3.0.12, kafka/net/transport.py (`_read_from_sock`).
    """
    receive = transport._sock_recv

    def received(self: Any) -> tuple[bytes, BaseException | None]:
        data, error = receive(self)
        return data, None if data else error

    transport._sock_recv = received


for _each in (KafkaTCPTransport, KafkaSSLTransport):
    _read_to_the_end(_each)


class KafkaBroker:
    """One cluster."""

    kind: Literal["kafka"] = "kafka"
    publisher = None

    def __init__(self, access: Access, readers: Sequence[Reader], *, partitions: int, replicas: int) -> None:
        self._access = access
        self._readers = readers
        self._partitions = partitions
        self._replicas = replicas
        self._admin: KafkaAdminClient | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-admin")

    async def prepare(self) -> None:
        """Makes the topics; a group needs nothing, for with `initialOffset: oldest` it begins at the beginning."""
        await self._asked(self._make_topics)

    async def facts(self) -> BrokerFacts:
        """How it is now. Kafka counts by what a group has answered: `lag` has the unanswered in it."""
        return await self._asked(self._gather)

    async def aclose(self) -> None:
        """Ends the connections."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _asked(self, question: Callable[[KafkaAdminClient], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, question)

    def _ask(self, question: Callable[[KafkaAdminClient], _T]) -> _T:
        address = self._access.read()
        try:
            if self._admin is None:
                with _cause_of_failure():
                    self._admin = KafkaAdminClient(**self._settings(address))
            return question(self._admin)
        except (kafka_errors.SaslAuthenticationFailedError, kafka_errors.UnsupportedSaslMechanismError) as error:
            self._close()
            raise login_refused(address, address.user, error) from error
        except kafka_errors.AuthorizationError as error:
            raise forbidden("what Rowcast needs of it", error) from error
        except (
            kafka_errors.InvalidReplicationFactorError,
            kafka_errors.InvalidTopicError,
            kafka_errors.PolicyViolationError,
        ) as error:
            raise PermanentError(UNUSABLE, f"topics: {error}") from error
        except (kafka_errors.KafkaError, OSError, TimeoutError) as error:
            self._close()
            raise unreachable(address, error) from error

    def _settings(self, address: Address) -> dict[str, Any]:
        tls, login = address.parts.scheme == "kafkas", address.user is not None
        settings: dict[str, Any] = {
            "bootstrap_servers": [f"{host}:{port}" for host, port in address.hosts],
            "client_id": "rowcast",
            "request_timeout_ms": _MILLISECONDS,
            "bootstrap_timeout_ms": _MILLISECONDS,
            "security_protocol": f"{'SASL_' if login else ''}{'SSL' if tls else 'PLAINTEXT'}",
        }
        if tls:
            settings["ssl_context"] = self._access.tls()
        if login:
            mechanism = address.parts.query.partition("mechanism=")[2] or "PLAIN"
            settings |= {"sasl_mechanism": mechanism, "sasl_plain_username": address.user}
            settings["sasl_plain_password"] = address.password
        return settings

    def _close(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _make_topics(self, admin: KafkaAdminClient) -> None:
        there = set(admin.list_topics())
        missing = [topic for topic in dict.fromkeys(topic for topic, _ in self._readers) if topic not in there]
        if not missing:
            return
        wanted = {
            "num_partitions": self._partitions,
            "replication_factor": self._replicas,
            "configs": {"retention.ms": str(RETENTION_SECONDS * 1000), "cleanup.policy": "delete"},
        }
        try:
            admin.create_topics(dict.fromkeys(missing, wanted), wait_for_metadata=True)
        except kafka_errors.TopicAlreadyExistsError:
            # A sidecar was faster with one of them: the others are made now.
            self._make_topics(admin)

    def _gather(self, admin: KafkaAdminClient) -> BrokerFacts:
        there = set(admin.list_topics())
        names = [topic for topic in dict.fromkeys(topic for topic, _ in self._readers) if topic in there]
        if not names:
            return BrokerFacts(self.kind)
        partitions = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in admin.describe_topics(names)
            for partition in topic["partitions"]
        ]
        oldest = admin.list_partition_offsets(dict.fromkeys(partitions, _FIRST_TIMESTAMP))
        starts = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
        ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        groups = sorted({group for topic, group in self._readers if topic in there})
        committed = admin.list_group_offsets(groups)
        members = admin.describe_groups(groups)
        bytes_of = _bytes(admin, names)
        retention = _retention(admin, names)
        topics = []
        for name in names:
            mine = [partition for partition in partitions if partition.topic == name]
            came = [oldest[each].timestamp for each in mine if oldest[each].timestamp >= 0]
            topics.append(
                TopicFacts(
                    name,
                    messages=sum(ends[each].offset - starts[each].offset for each in mine),
                    bytes=bytes_of.get(name),
                    oldest_at=datetime.fromtimestamp(min(came) / 1000, UTC) if came else None,
                    retention_seconds=retention.get(name),
                    groups=tuple(
                        GroupFacts(
                            group,
                            lag=sum(_behind(each, starts, ends, committed.get(group, {})) for each in mine),
                            consumers=_readers_of(name, members.get(group, {})),
                        )
                        for topic, group in self._readers
                        if topic == name
                    ),
                )
            )
        return BrokerFacts(self.kind, None, tuple(topics))


class _Heard(logging.Handler):
    """Keeps the errors that the library mentions."""

    def __init__(self) -> None:
        super().__init__()
        self._errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            self._errors += (each for each in record.args if isinstance(each, BaseException))

    def cause(self, error: BaseException) -> BaseException:
        """A login that was refused, else the first error: after it come others of connections that were closed."""
        refused = (each for each in self._errors if isinstance(each, kafka_errors.SaslAuthenticationFailedError))
        return next(refused, next(iter(self._errors), error))


@contextmanager
def _cause_of_failure() -> Iterator[None]:
    """The library tries to connect until its time is over, and raises only that; the cause it tells its log alone.

    Source: kafka-python 3, kafka/net (`_do_bootstrap`): a login or a certificate that is refused is logged.
    """
    heard, log = _Heard(), logging.getLogger("kafka.net")
    log.addHandler(heard)
    try:
        yield
    except kafka_errors.KafkaTimeoutError as error:
        raise heard.cause(error) from error
    finally:
        log.removeHandler(heard)


def _behind(
    partition: TopicPartition, starts: Mapping[Any, Any], ends: Mapping[Any, Any], committed: Mapping[Any, Any]
) -> int:
    place = committed.get(partition)
    start: int = starts[partition].offset
    read = start if place is None or place.offset < 0 else max(place.offset, start)
    return max(int(ends[partition].offset) - read, 0)


def _readers_of(topic: str, group: Mapping[str, Any]) -> int:
    return sum(topic in _subscribed(member) for member in group.get("members", ()))


def _subscribed(member: Mapping[str, Any]) -> Sequence[str]:
    metadata = member.get("member_metadata")
    topics = metadata.get("topics") if isinstance(metadata, Mapping) else None
    return topics or ()


def _bytes(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, int]:
    """The size of one copy of each topic; each broker tells of its own, and the largest of a partition is one copy."""
    sizes: dict[tuple[str, int], int] = {}
    for broker in admin.describe_log_dirs(list(names)):
        for folder in broker["log_dirs"]:
            for topic in folder["topics"]:
                for partition in topic["partitions"]:
                    key = (topic["name"], partition["partition_index"])
                    sizes[key] = max(sizes.get(key, 0), partition["partition_size"])
    return {name: sum(size for (topic, _), size in sizes.items() if topic == name) for name in names}


def _retention(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, float | None]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": None}) for name in names]
    told = admin.describe_configs(asked, config_filter="all").get("topic", {})
    return {name: _seconds(settings.get("retention.ms", {}).get("value")) for name, settings in told.items()}


def _seconds(milliseconds: object) -> float | None:
    return int(milliseconds) / 1000 if isinstance(milliseconds, str | int) and int(milliseconds) >= 0 else None
