"""What can't be delivered is kept, with its reason, and goes on from there by a person's word."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import brokers
from rowcast.core.events import decode
from rowcast_local.platform import Platform
from stray import publishing
from world import World, done, wait_until

CHANGES = "rowcast.public.app_configs"
TARGETS = ["git", "k8s"]
Letter = dict[str, Any]


@pytest.fixture(autouse=True)
def tidy(world: World) -> Iterator[None]:
    """Leaves no letter open, and the three places as equal as it found them."""
    yield
    while found := [letter["id"] for letter in letters(world)]:
        with world.api() as api:
            done(api.post("/deadletters:discard", json={"ids": found, "reason": "a test has ended"}))
    world.settled()


def letters(world: World, **params: Any) -> list[Letter]:
    with world.api() as api:
        items: list[Letter] = done(api.get("/deadletters", params=params))["items"]
        return items


def event_of(world: World, letter: Letter) -> Any:
    with world.api() as api:
        return done(api.get(f"/deadletters/{letter['id']}"))["event"]


def produce(platform: Platform, *messages: str) -> None:
    """Write to the topic of changes, to several of its partitions, as a stray program would."""
    with publishing(platform) as stray:
        for number, message in enumerate(messages):
            params = {"metadata.rawPayload": "true", "metadata.partitionKey": str(number)}
            done(stray.post(f"/v1.0/publish/pubsub/{CHANGES}", content=message, params=params))


def targets_of(world: World, row: Letter) -> dict[str, Letter]:
    with world.api() as api:
        found: dict[str, Letter] = done(api.get(f"/appconfigs/{row['id']}/status"))["targets"]
        return found


def listed(world: World, state: str) -> list[str]:
    with world.api() as api:
        page = done(api.get("/appconfigs", params={"state": state, "limit": 1000, "search": "occupied"}))
        return [row["name"] for row in page["items"]]


@contextmanager
def foreign(world: World, name: str) -> Iterator[None]:
    """Somebody else's custom resource of that name; gone at the end, if not before."""
    fields = {"repository_url": "https://git.example.com/theirs.git", "branch": "main", "environment": "dev"}
    manifest = {
        "apiVersion": "rowcast.dev/v1alpha1",
        "kind": "AppConfig",
        "metadata": {"name": name, "namespace": world.env["ROWCAST_NAMESPACE"]},
        "spec": {"id": 1, "name": name, **fields},
    }
    create = ["kubectl", "create", "-f", "-"]
    environment = {**os.environ, **world.env}
    subprocess.run(create, input=json.dumps(manifest), env=environment, check=True, capture_output=True, text=True)
    try:
        yield
    finally:
        world.kubectl("delete", "appconfig", name, "--ignore-not-found")


@brokers.on_every_broker
def test_what_is_no_event_is_listed_with_its_reason_and_holds_up_no_other(platform: Platform, world: World) -> None:
    strange = {"specversion": "1.0", "id": "1", "source": "/stray", "type": "stray", "data": {"hello": "\x00"}}
    unknown = {**strange, "id": "2", "iodebeziumtable": "orders", "iodebeziumop": "c"}  # JetStream drops equal ids
    # One for each partition, so that every row has one in its way.
    produce(platform, *(f"garbage {n}" for n in range(12)), json.dumps(strange), json.dumps(unknown))
    for n in range(12):
        world.create(f"beside-garbage-{n}")

    world.settled()

    def found() -> set[tuple[str, str, str]]:
        return {(one["target"], one["reason"], json.dumps(event_of(world, one))) for one in letters(world, limit=1000)}

    expected = {(target, "undecodable", json.dumps(f"garbage {n}")) for target in TARGETS for n in range(12)}
    wait_until(lambda: expected <= found(), lambda: str(expected - found()))
    wait_until(lambda: len(letters(world, reason="unknown-table")) == 2, lambda: str(found()))
    wait_until(lambda: any("hello" in event for _, reason, event in found() if reason == "undecodable"))


@brokers.on_every_broker
def test_a_row_whose_place_is_occupied_is_failed_until_its_letter_is_replayed(world: World) -> None:
    with foreign(world, "occupied"):
        row = world.create("occupied")
        wait_until(lambda: len(letters(world, row_id=row["id"])) == 1)
        wait_until(lambda: targets_of(world, row)["k8s"]["state"] == "failed", lambda: str(targets_of(world, row)))
    (letter,) = letters(world, row_id=row["id"])
    assert (letter["target"], letter["reason"], letter["name"]) == ("k8s", "not-owned", "occupied")
    assert decode(event_of(world, letter)).state.name == "occupied"
    assert "not managed by rowcast" in targets_of(world, row)["k8s"]["error"]
    assert listed(world, "failed") == ["occupied"]

    with world.api("bob") as api:
        replayed = done(api.post(f"/deadletters/{letter['id']}:replay"))

    world.settled()
    wait_until(lambda: listed(world, "synced") == ["occupied"], lambda: str(targets_of(world, row)))
    assert (replayed["state"], replayed["resolved_by"]) == ("replayed", "bob")
    assert (targets_of(world, row)["k8s"]["outcome"], letters(world, row_id=row["id"])) == ("created", [])


def test_a_replay_that_fails_again_is_a_new_letter_and_one_that_was_overtaken_changes_nothing(world: World) -> None:
    with foreign(world, "occupied-again"):
        row = world.create("occupied-again")
        wait_until(lambda: len(letters(world, row_id=row["id"])) == 1)
        (first,) = letters(world, row_id=row["id"])
        with world.api() as api:
            done(api.post(f"/deadletters/{first['id']}:replay"))
        wait_until(lambda: [one["id"] > first["id"] for one in letters(world, row_id=row["id"])] == [True])

    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}))
    world.settled()
    with world.api() as api:
        (second,) = letters(world, row_id=row["id"])
        done(api.post(f"/deadletters/{second['id']}:replay"))
    marker = world.create("after-the-replay")
    wait_until(lambda: targets_of(world, marker)["k8s"]["state"] == "synced")
    world.settled()
    assert targets_of(world, row)["k8s"]["observed_generation"] == 2


def test_a_discard_keeps_who_and_why(world: World) -> None:
    with foreign(world, "occupied-and-left"):
        row = world.create("occupied-and-left")
        wait_until(lambda: len(letters(world, row_id=row["id"])) == 1)
        (letter,) = letters(world, row_id=row["id"])
        with world.api("carol") as api:
            done(api.post(f"/deadletters/{letter['id']}:discard", json={"reason": "theirs was there first"}))
            done(api.delete(f"/appconfigs/{row['id']}"))

    (kept,) = letters(world, row_id=row["id"], state="discarded")
    assert (kept["resolved_by"], kept["resolution_reason"]) == ("carol", "theirs was there first")
