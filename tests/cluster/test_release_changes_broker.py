"""A release that goes from Kafka to Redis and back, as the page says, while people go on working."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.load import Load
from cluster.pages import run_page
from cluster.release import Release
from cluster.test_release_of_each_broker import installed
from rowcast_cluster.cluster import Cluster
from world import done, wait_until

pytestmark = pytest.mark.timeout(2400)

NAMESPACE = "rowcast-changes"
OF_A_BROKER = {"kafka", "redis", "connect", "capture"}
# The blocks of the page, and who captures by which broker after each.
STEPS = (
    (slice(0, 1), {"redis", "capture"}),
    (slice(1, 2), {"kafka", "connect"}),
    (slice(2, 3), {"kafka", "capture"}),
)


@pytest.fixture
def changing(cluster: Cluster, images: None) -> Iterator[Release]:
    """A release with Kafka and Connect."""
    with installed(cluster, NAMESPACE, "kafka", "redis"), Release.of(cluster, NAMESPACE) as release:
        yield release


def test_from_kafka_to_redis_and_back_and_to_the_engine_nothing_is_lost_and_nothing_comes_back(
    changing: Release,
) -> None:
    release = changing
    with Load(release, "changing") as load:
        load.more(40)
        assert_captured(release, "by-kafka")
        for step, (block, expected) in enumerate(STEPS):
            said = run_page("change-the-broker", release.cluster_of.environment, block, NAMESPACE=NAMESPACE)
            assert "all arrived: " in said
            load.more(40)
            assert_captured(release, f"after-step-{step}")
            wait_until(lambda: parts(release) & OF_A_BROKER == expected, lambda: str(parts(release)))  # noqa: B023

    release.settled()
    assert load.lost() == {}
    wait_until(lambda: not unsynced(release), lambda: str(unsynced(release)))
    assert release.dead_letters() == []


def assert_captured(release: Release, name: str) -> None:
    """By an event, that is, and not by a look at the table, which would come to the same a little later."""
    row = release.create(name)

    def statuses() -> list[dict[str, Any]]:
        with release.api() as api:
            return list(done(api.get(f"/appconfigs/{row['id']}/status"))["targets"].values())

    wait_until(lambda: all(status["observed_generation"] == 1 for status in statuses()), lambda: str(statuses()))
    assert all(status["times"]["captured"] for status in statuses()), statuses()


def unsynced(release: Release) -> list[str]:
    with release.api() as api:
        return [
            f"{row['name']}: {row['sync']}"
            for state in ("pending", "failed")
            for row in done(api.get("/appconfigs", params={"state": state, "limit": 1000}))["items"]
        ]


def parts(release: Release) -> set[str]:
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in release.pods()}
