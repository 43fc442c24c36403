"""`rowcast connector` against the real Kafka Connect, and what sync makes of events that come again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

import captured_rows
from rowcast.capture.offsets import Offsets
from rowcast.core.events import Change
from rowcast_local.platform import Platform
from superuser import superuser
from world import World, done, wait_until

from .changes import end_of_topic, messages


@pytest.fixture
def connect(world: World) -> Iterator[httpx.Client]:
    with world.connect() as client:
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


def test_a_connector_of_the_version_before_is_updated_and_goes_on_where_it_was(
    world: World, platform: Platform, connect: httpx.Client
) -> None:
    """Rows of any table come from then on, and configurations without a gap or a new snapshot.

    Those come by their own table until crud switches to `rowcast.rows`, and then by that alone.
    """
    with world.sql() as cursor:
        cursor.execute("SELECT rowcast.release_configurations()")
    ours = done(connect.get("/connectors/rowcast/config"))
    added = ("transforms", "column.truncate.")
    before = {key: value for key, value in ours.items() if not key.startswith(added)}
    done(connect.put("/connectors/rowcast/config", json={**before, "table.include.list": "public.app_configs"}))
    world.create("before-the-update")
    world.settled()
    since = end_of_topic(platform)
    for number in range(20):
        world.create(f"around-the-update-{number}")

    ran = rowcast(world, "apply")

    assert (ran.returncode, "~ table.include.list" in ran.stdout) == (0, True)
    for number in range(20):
        world.create(f"after-the-update-{number}")
    with world.sql(autocommit=True) as cursor:
        captured_rows.write(cursor, "updated", "1", {"id": 1})
        cursor.execute("DELETE FROM rowcast.rows WHERE renderer = 'updated'")
    world.settled()

    def events() -> list[dict[str, Any]]:
        return [event for *_, event in messages(platform, since)]

    wait_until(lambda: [each["iodebeziumop"] for each in events() if each["iodebeziumtable"] == "rows"] == ["c", "d"])
    names = {each["data"]["after"]["name"] for each in events() if each["iodebeziumtable"] == "app_configs"}
    assert names == {f"{when}-the-update-{number}" for when in ("around", "after") for number in range(20)}
    assert "r" not in {each["iodebeziumop"] for each in events()}

    with world.sql(autocommit=True) as cursor:
        cursor.execute("SELECT rowcast.capture_configurations()")
    wait_until(lambda: not published(world, "app_configs"))  # crud compares, and is done with it
    since = end_of_topic(platform)
    for number in range(5):
        world.create(f"switched-{number}")
    world.settled()
    names = {(each["iodebeziumtable"], change.state.name) for each in events() for change in changes_of(each)}
    assert names == {("rows", f"switched-{number}") for number in range(5)}


def test_secrets_are_nowhere_in_the_connectors_configuration(world: World, connect: httpx.Client) -> None:
    config = done(connect.get("/connectors/rowcast/config"))

    assert config["database.password"] == "${env:ROWCAST_CAPTURE_DB_PASSWORD}"


STRANGERS = (None, ("rowcast", ""), ("rowcast", "wrong"), ("", ""), ("admin", "admin"))


@pytest.mark.parametrize("login", STRANGERS, ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/connectors"),
        ("GET", "/connectors/rowcast/config"),
        ("PUT", "/connectors/rowcast/config"),
        ("DELETE", "/connectors/rowcast"),
        ("PUT", "/connector-plugins/PostgresConnector/config/validate"),
        ("PUT", "/admin/loggers/root"),
    ],
)
def test_a_stranger_learns_and_changes_nothing_at_connect(
    world: World, login: tuple[str, str] | None, method: str, path: str
) -> None:
    with httpx.Client(base_url=world.env["ROWCAST_CONNECT_URL"], trust_env=False) as stranger:
        answer = stranger.request(method, path, json=None if method in ("GET", "DELETE") else {}, auth=login)

    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_a_stranger_is_told_what_is_missing_in_one_line(world: World) -> None:
    environment = {**os.environ, **world.env, "ROWCAST_CONNECT_PASSWORD": "guessed-by-somebody"}
    command = [str(Path(sys.executable).with_name("rowcast")), "connector", "apply"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    assert ran.returncode == 1
    assert "wants another login: see ROWCAST_CONNECT_USERNAME" in ran.stderr
    assert "guessed-by-somebody" not in ran.stdout + ran.stderr


def validated(connect: httpx.Client, **settings: str) -> dict[str, dict[str, Any]]:
    """What Connect makes of its configuration with these settings: value and errors, by setting."""
    config = {**done(connect.get("/connectors/rowcast/config")), "name": "rowcast", **settings}
    answer = connect.put("/connector-plugins/PostgresConnector/config/validate", json=config)
    return {entry["value"]["name"]: entry["value"] for entry in done(answer)["configs"]}


def test_what_our_own_connector_asks_for_is_allowed(connect: httpx.Client) -> None:
    config = validated(connect)

    assert {name: value["errors"] for name, value in config.items() if value["errors"]} == {}
    assert "producer.override.acks" in config


@pytest.mark.parametrize(
    "override",
    ["producer.override.bootstrap.servers", "producer.override.sasl.jaas.config", "admin.override.bootstrap.servers"],
)
def test_where_connects_own_login_goes_is_no_connectors_choice(connect: httpx.Client, override: str) -> None:
    (error,) = validated(connect, **{override: "elsewhere:9092"})[override]["errors"]

    assert "'Allowlist' policy does not allow" in error


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


def test_a_connector_that_comes_back_after_capture_had_its_slot_reads_the_whole_table(
    platform: Platform, world: World, connect: httpx.Client
) -> None:
    """Else it would pass over, without a word, what capture took to another broker meanwhile."""
    changed, deleted = world.create("taken-elsewhere"), world.create("deleted-elsewhere")
    world.settled()
    done(connect.put("/connectors/rowcast/stop"))
    wait_until(lambda: bool(slot(platform, "NOT active")))

    capture = Offsets("rowcast", "redis", lambda options: logged_in(platform, options))
    capture.open()
    capture.begin_anew()
    capture.close()
    # The engine makes the slot if there is none, and has confirmed what it read.
    if slot(platform, "slot_name") is None:
        with superuser(platform) as cursor:
            cursor.execute("SELECT pg_create_logical_replication_slot('rowcast', 'pgoutput', failover => true)")
    with world.sql() as cursor:
        cursor.execute("UPDATE app_configs SET branch = 'unread' WHERE id = %s", (changed["id"],))
        cursor.execute("DELETE FROM app_configs WHERE id = %s", (deleted["id"],))
    slot(platform, "pg_replication_slot_advance(slot_name, pg_current_wal_flush_lsn())")
    done(connect.put("/connectors/rowcast/resume"))

    for row_id, generation in ((changed["id"], 2), (world.create("read-on")["id"], 1)):
        wait_until(lambda: captured(world, row_id) == {generation}, lambda: str(captured(world, row_id)))  # noqa: B023
    world.settled()


def logged_in(platform: Platform, options: str) -> Any:
    """As the role that replicates."""
    captured = platform.blueprint.captured
    host, port, name, user, password = (
        captured[f"ROWCAST_CAPTURE_DB_{each}"] for each in ("HOST", "PORT", "NAME", "USER", "PASSWORD")
    )
    return psycopg2.connect(host=host, port=port, dbname=name, user=user, password=password, options=options)


def slot(platform: Platform, expression: str) -> Any:
    with superuser(platform) as cursor:
        cursor.execute(f"SELECT {expression} FROM pg_replication_slots WHERE slot_name = 'rowcast'")
        row = cursor.fetchone()
    return row and row[0]


def captured(world: World, row_id: int) -> set[int]:
    """The generations that targets know by an event, and not by a look at the table a little later."""
    with world.api() as api:
        targets = done(api.get(f"/appconfigs/{row_id}/status"))["targets"].values()
    return {target["observed_generation"] for target in targets if target["times"]["captured"]}


def counted(world: World, outcome: str) -> float:
    """How often sync-k8s and sync-git, whichever did less, came to an outcome."""
    return min(
        metric(
            world.env[url],
            f'rowcast_sync_changes_total{{outcome="{outcome}",renderer="appconfigs",target="{target}"}}',
        )
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


def published(world: World, table: str) -> bool:
    with world.sql() as cursor:
        query = "SELECT FROM pg_publication_tables WHERE pubname = 'rowcast' AND tablename = %s"
        cursor.execute(query, (table,))
        return cursor.fetchone() is not None


def changes_of(event: Mapping[str, Any]) -> list[Change]:
    return captured_rows.configurations([event])
