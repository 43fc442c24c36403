"""What a platform that changes its broker, or what captures, leaves behind before it starts; with a real PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from rowcast_local.assembly import SETTABLE
from rowcast_local.platform import Platform

OTHERS = (*SETTABLE, "kafka", "connect", "etcd", "kube-apiserver", "broker-redis")


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of a platform that had Kafka and Connect, and whose slot they had read from."""
    parent = Path(tempfile.mkdtemp(prefix="rowcast-test-"))
    parent.chmod(0o711)
    state = parent / "platform"
    platform = started(state)
    try:
        ask(platform, "SELECT pg_create_logical_replication_slot('rowcast', 'pgoutput')")
        ask(platform, "SELECT pg_create_logical_replication_slot('somebodys', 'pgoutput')")
        platform.stop()
        for name in ("kafka", "connect"):
            (platform.state.data / name).mkdir()
        yield state
    finally:
        platform.destroy()
        shutil.rmtree(parent)


def started(state: Path, broker: str | None = None, capture: str | None = None) -> Platform:
    platform = Platform(state, free_ports=True, without=OTHERS, broker=broker, capture=capture)
    platform.start()
    platform.wait_ready()
    return platform


def ask(platform: Platform, query: str) -> list[str]:
    with psycopg2.connect(platform.env()["ROWCAST_DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return sorted(row[0] for row in cursor.fetchall())


def slots(platform: Platform) -> list[str]:
    return ask(platform, "SELECT slot_name::text FROM pg_replication_slots")


def test_another_broker_begins_with_the_whole_table_and_without_what_the_old_one_had(folder: Path) -> None:
    after = started(folder, broker="redis")
    assert slots(after) == ["somebodys"]
    assert not (after.state.data / "kafka").exists()
    assert not (after.state.data / "connect").exists()
    after.stop()
    assert Platform(folder).broker == "redis"


def test_another_capture_begins_with_the_whole_table_and_leaves_the_broker_what_it_has(folder: Path) -> None:
    after = started(folder, capture="engine")
    assert slots(after) == ["somebodys"]
    assert (after.state.data / "kafka").exists()


def test_the_same_broker_goes_on_where_it_was(folder: Path) -> None:
    after = started(folder, broker="kafka")
    assert slots(after) == ["rowcast", "somebodys"]
    assert (after.state.data / "kafka").exists()
