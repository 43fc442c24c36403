"""`rowcast connector` against the real Kafka Connect, and what sync makes of events that come again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from world import World, done, wait_until


@pytest.fixture
def connect(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.env["ROWCAST_CONNECT_URL"], timeout=30, trust_env=False) as client:
        yield client


def rowcast(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("rowcast")), "connector", *arguments]
    return subprocess.run(command, env={**os.environ, **world.env}, capture_output=True, text=True, timeout=120)


def test_applying_what_is_there_says_unchanged(world: World) -> None:
    ran = rowcast(world, "apply")

    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "connector rowcast: unchanged")


def test_a_setting_that_was_changed_by_hand_is_shown_and_put_right(world: World, connect: httpx.Client) -> None:
    ours = done(connect.get("/connectors/rowcast/config"))
    done(connect.put("/connectors/rowcast/config", json={**ours, "poll.interval.ms": "500"}))

    planned = rowcast(world, "apply", "--dry-run")
    assert "poll.interval.ms" in planned.stdout
    assert "500" in planned.stdout
    assert done(connect.get("/connectors/rowcast/config"))["poll.interval.ms"] == "500"

    assert rowcast(world, "apply").returncode == 0
    assert done(connect.get("/connectors/rowcast/config")) == ours


def test_secrets_are_nowhere_in_the_connectors_configuration(world: World, connect: httpx.Client) -> None:
    config = done(connect.get("/connectors/rowcast/config"))

    assert config["database.password"] == "${env:ROWCAST_CAPTURE_DB_PASSWORD}"


def test_a_connect_that_is_not_there_is_one_line_that_names_it(world: World) -> None:
    ran = rowcast(world, "apply", "--connect-url", "http://127.0.0.1:1", "--timeout", "1")

    assert ran.returncode == 1
    assert "http://127.0.0.1:1" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_topic_of_changes_has_several_partitions(world: World) -> None:
    for number in range(40):
        world.create(f"spread-{number}")
    world.settled()

    assert len(partitions_seen(world)) > 1


def test_a_new_snapshot_delivers_every_row_again_and_changes_nothing(world: World) -> None:
    world.create("snapshotted")
    world.settled()
    rows, versions, tip = len(world.table()), resource_versions(world), head(world)
    seen = counted(world, "unchanged")

    assert rowcast(world, "resnapshot").returncode == 0
    wait_until(lambda: counted(world, "unchanged") >= seen + rows, lambda: f"{counted(world, 'unchanged')}")

    assert resource_versions(world) == versions
    assert head(world) == tip


def counted(world: World, outcome: str) -> float:
    """How often sync-k8s and sync-git, whichever did less, came to an outcome."""
    return min(
        metric(world.env[url], f'rowcast_sync_changes_total{{outcome="{outcome}",target="{target}"}}')
        for url, target in (("ROWCAST_SYNC_K8S_URL", "k8s"), ("ROWCAST_SYNC_GIT_URL", "git"))
    )


def metric(url: str, series: str) -> float:
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    (value,) = [line.rpartition(" ")[2] for line in lines if line.startswith(series)]
    return float(value)


def resource_versions(world: World) -> str:
    return world.kubectl(
        "get", "ac", "-o", "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}"
    )


def head(world: World) -> str:
    command = ["git", "ls-remote", world.env["ROWCAST_GIT_URL"], "refs/heads/main"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def partitions_seen(world: World) -> set[str]:
    """The partitions that the broker has for the topic of changes, as its files show."""
    folder = Path(world.env["KUBECONFIG"]).parents[1] / "kafka"
    return {log.parent.name for log in folder.rglob("rowcast.public.app_configs-*/*.log") if log.stat().st_size}
