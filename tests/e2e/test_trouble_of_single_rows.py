"""Trouble that single rows have keeps no other row waiting, is said at the row, and outlives the instance."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rowcast_local.platform import Platform
from world import World, config, done, wait_until

PREFIX = "trouble-"
WEBHOOK = "webhook-that-is-down"


@pytest.fixture(autouse=True)
def clean(world: World) -> Iterator[None]:
    """Rows of these tests are named `trouble-…`, and go in the end."""
    with world.cleared(PREFIX):
        yield


@contextmanager
def webhook_down(world: World, condition: str) -> Iterator[None]:
    """A validating webhook whose server is away, asked about those objects for which the CEL `condition` holds."""
    hook = {
        "name": "down.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [
            {
                "apiGroups": ["rowcast.dev"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": ["appconfigs"],
            }
        ],
        "matchConditions": [{"name": "chosen", "expression": condition}],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 10,
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": WEBHOOK},
        "webhooks": [hook],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(body, file)
        file.flush()
        world.kubectl("create", "--filename", file.name)
    try:
        yield
    finally:
        world.kubectl("delete", "validatingwebhookconfiguration", WEBHOOK, "--ignore-not-found")


def of(name: str) -> str:
    """The condition that holds for objects of that name, deleted ones too."""
    return f"request.name == '{name}'"


def state(world: World, row_id: int) -> dict[str, Any]:
    with world.api() as api:
        found: dict[str, Any] = done(api.get(f"/appconfigs/{row_id}/status"))["targets"]["k8s"]
        return found


def test_a_webhook_that_is_down_for_one_row_keeps_no_other_row_waiting(world: World, platform: Platform) -> None:
    rows = [world.create(f"{PREFIX}{n}") for n in range(25)]
    world.settled()
    bad, others = rows[0], rows[1:]

    with webhook_down(world, of(bad["name"])):
        with world.sql() as cursor:
            cursor.execute("UPDATE app_configs SET branch = 'next' WHERE name LIKE %s", (f"{PREFIX}%",))
        wait_until(lambda: all(world.cluster()[row["name"]][3] == "next" for row in others))
        wait_until(lambda: "webhook" in (state(world, bad["id"])["error"] or ""), lambda: str(state(world, bad["id"])))
        assert state(world, bad["id"])["state"] == "pending"
        assert world.cluster()[bad["name"]][3] == "main"

        # What waits is not forgotten with the instance in which it waits.
        platform.kill_part("sync-k8s")  # the supervisor starts it again
        with world.sql() as cursor:
            cursor.execute("UPDATE app_configs SET branch = 'later' WHERE id = %s", (others[0]["id"],))
        wait_until(lambda: world.cluster()[others[0]["name"]][3] == "later")
        assert world.cluster()[bad["name"]][3] == "main"

    world.settled()
    wait_until(lambda: state(world, bad["id"])["state"] == "synced", lambda: str(state(world, bad["id"])))


def test_a_deletion_that_a_webhook_holds_up_keeps_no_other_row_waiting(world: World) -> None:
    held, other = world.create(f"{PREFIX}held"), world.create(f"{PREFIX}other")
    world.settled()

    with webhook_down(world, of(held["name"])):
        with world.api() as api:
            done(api.delete(f"/appconfigs/{held['id']}"))
            done(api.patch(f"/appconfigs/{other['id']}", json={"branch": "next"}))
            done(api.post("/appconfigs", json=config(f"{PREFIX}new")))
        wait_until(lambda: world.cluster()[other["name"]][3] == "next" and f"{PREFIX}new" in world.cluster())
        assert held["name"] in world.cluster()

    world.settled()
