"""What Redis behind Dapr does that nobody expects, and what is done about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from contract.brokers.native import ask, facts, group, prepare, topic
from contract.brokers.servers import Server
from contract.brokers.sidecar import Application, event, sidecar
from rowcast.core.errors import PermanentError
from world import wait_until

KIND = "redis"
CHANGES = "public.app_configs"
EIGHT_DAYS = 8 * 24 * 3600


@pytest.fixture
def client(broker: Server) -> Iterator[Redis]:
    with Redis.from_url(broker.url) as client:
        before = client.config_get("maxmemory*")
        yield client
        for name in ("maxmemory", "maxmemory-policy"):
            client.config_set(name, before[name])


def test_without_our_resiliency_a_message_that_failed_counts_as_taken(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"], answer=lambda _: "RETRY")
    with (
        sidecar(broker, "sync-k8s", tmp_path, prefix, reader, resiliency=False),
        sidecar(broker, "capture", tmp_path, prefix) as capture,
    ):
        capture.publish(f"{prefix}.{CHANGES}", event(1))
        wait_until(lambda: bool(reader.seen) and group(broker, prefix, CHANGES, "sync-k8s").unanswered == 0)
    assert (group(broker, prefix, CHANGES, "sync-k8s").lag, len(reader.seen)) == (0, 1)


def test_with_it_one_that_says_later_keeps_its_message(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"], answer=lambda _: "RETRY")
    with (
        sidecar(broker, "sync-k8s", tmp_path, prefix, reader),
        sidecar(broker, "capture", tmp_path, prefix) as capture,
    ):
        capture.publish(f"{prefix}.{CHANGES}", event(1))
        wait_until(lambda: len(reader.seen) > 3)
        assert group(broker, prefix, CHANGES, "sync-k8s").unanswered == 1


def test_a_long_backlog_is_counted_to_its_end(broker: Server, prefix: str, client: Redis) -> None:
    prepare(broker, prefix)
    pipeline = client.pipeline()
    for number in range(2500):
        pipeline.xadd(f"{prefix}.{CHANGES}", {"data": number})
    pipeline.execute()
    client.xreadgroup("sync-git", "someone", {f"{prefix}.{CHANGES}": ">"}, count=100)
    assert group(broker, prefix, CHANGES, "sync-k8s").lag == 2500
    ahead = group(broker, prefix, CHANGES, "sync-git")
    assert (ahead.lag, ahead.unanswered) == (2400, 100)


def test_what_is_older_than_a_week_goes_with_the_next_publish(
    broker: Server, prefix: str, client: Redis, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    past = int((time.time() - EIGHT_DAYS) * 1000)
    for number in range(300):
        client.xadd(f"{prefix}.{CHANGES}", {"data": "old"}, id=f"{past}-{number + 1}")
    oldest = topic(broker, prefix, CHANGES).oldest_at
    assert oldest is not None
    assert abs(oldest.timestamp() * 1000 - past) < 1
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        capture.publish(f"{prefix}.{CHANGES}", event(1))
    # Redis lets go of whole nodes of a stream, of a hundred entries each.
    assert (topic(broker, prefix, CHANGES).messages or 0) <= 101


def test_a_server_that_would_drop_streams_when_full_is_refused(broker: Server, prefix: str, client: Redis) -> None:
    client.config_set("maxmemory", "1gb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(PermanentError, match=r"maxmemory-policy allkeys-lru.*set it to noeviction"):
        prepare(broker, prefix)


def test_a_server_that_is_full_refuses_and_what_it_has_stays(
    broker: Server, prefix: str, client: Redis, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        assert capture.publish(f"{prefix}.{CHANGES}", event(1)).is_success
        client.config_set("maxmemory", "100kb")
        assert capture.publish(f"{prefix}.{CHANGES}", event(2)).status_code == 500
        client.config_set("maxmemory", "0")
        assert capture.publish(f"{prefix}.{CHANGES}", event(3)).is_success
    assert topic(broker, prefix, CHANGES).messages == 2


def test_a_server_that_may_lose_what_it_took_is_warned_of(broker: Server, prefix: str, client: Redis) -> None:
    assert facts(broker, prefix).warnings == ()
    client.config_set("appendfsync", "everysec")
    assert "appendfsync always" in facts(broker, prefix).warnings[0]
    client.config_set("appendfsync", "always")


def as_user(broker: Server, name: str) -> str:
    scheme, _, rest = broker.url.partition("://")
    return f"{scheme}://{name}:secret@{rest.rpartition('@')[2]}"


def test_a_user_needs_few_rights_and_what_is_missing_is_said(broker: Server, prefix: str, client: Redis) -> None:
    client.acl_setuser(
        "few",
        enabled=True,
        passwords=["+secret"],
        keys=[f"{prefix}.*"],
        categories=["+@stream"],
        commands=["+info", "+eval", "+memory", "+ping"],
    )
    ask(broker, prefix, lambda each: each.prepare(), as_user(broker, "few"))
    client.xadd(f"{prefix}.{CHANGES}", {"data": 1})
    told = ask(broker, prefix, lambda each: each.facts(), as_user(broker, "few"))
    assert [group.lag for group in told.topics[0].groups] == [1, 1]
    client.acl_setuser("fewer", enabled=True, passwords=["+secret"], keys=[f"{prefix}.*"], commands=["+info", "+ping"])
    with pytest.raises(PermanentError, match="does not allow") as raised:
        ask(broker, prefix, lambda each: each.prepare(), as_user(broker, "fewer"))
    assert raised.value.reason == "broker-forbidden"
