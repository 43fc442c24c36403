"""What is wrong is told at the right row, nothing is lost by it, and nothing has to be restarted when it is over."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import brokers
from rowcast_local.parts.cluster_objects import ROLE, apply_cluster_objects
from rowcast_local.platform import Platform
from stray import publishing
from world import World, config, done, wait_until

CHANGES = "rowcast.public.app_configs"
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: bad-input}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {{apiGroups: [rowcast.dev], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE], resources: [appconfigs]}}
  validations:
    - expression: "{expression}"
      message: not in this cluster
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: bad-input}}
spec: {{policyName: bad-input, validationActions: [Deny]}}
"""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def tidy(world: World) -> Iterator[None]:
    """Rows of these tests are named `bad-…`, and go in the end; so do the letters."""
    with world.cleared("bad-"):
        yield
    with world.api() as api:
        while found := [letter["id"] for letter in done(api.get("/deadletters"))["items"]]:
            done(api.post("/deadletters:discard", json={"ids": found, "reason": "a test has ended"}))


def status(world: World, row: dict[str, Any], target: str) -> dict[str, Any]:
    with world.api() as api:
        found: dict[str, Any] = done(api.get(f"/appconfigs/{row['id']}/status"))["targets"][target]
        return found


def told(world: World, row: dict[str, Any], target: str, state: str, error: str) -> None:
    """Wait until the row's status at the target says so."""

    def is_told() -> bool:
        seen = status(world, row, target)
        return seen["state"] == state and error in str(seen["error"])

    wait_until(is_told, lambda: str(status(world, row, target)))


def synced(world: World, row: dict[str, Any]) -> None:
    """Wait until the row is in sync everywhere."""
    world.settled()
    targets = ("k8s", "git")
    wait_until(
        lambda: all(status(world, row, target)["state"] == "synced" for target in targets),
        lambda: str([status(world, row, target) for target in targets]),
    )


def reconcile(world: World, target: str) -> None:
    command = [str(Path(sys.executable).parent / "rowcast"), "reconcile", "--target", target]
    subprocess.run(command, env={**world.env, "PATH": "/usr/bin:/bin"}, check=True, timeout=120, capture_output=True)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("garbage", "application/cloudevents+json"),
        ("[]", "application/json"),
        ("", "application/octet-stream"),
        ("<xml/>", "application/xml"),
        (json.dumps({"specversion": "1.0", "iodebeziumtable": "orders"}), "text/plain"),
        ('"' * 900_000, "text/plain"),
        ("\x00\xff", "application/json"),
    ],
    ids=["garbage", "list", "nothing", "xml", "unknown table", "large", "binary"],
)
def test_what_is_posted_to_an_application_is_kept_or_refused_and_never_taken_for_done(
    world: World, body: str, content_type: str
) -> None:
    with httpx.Client(base_url=world.env["ROWCAST_SYNC_K8S_URL"], trust_env=False, timeout=60) as sync:
        one = sync.post("/events/rows", content=body.encode("latin-1"), headers={"content-type": content_type})
        many = sync.post("/events/rows/bulk", content=body.encode("latin-1"), headers={"content-type": content_type})

    assert (one.status_code, one.json()) == (200, {"status": "SUCCESS"})  # it is a dead letter now
    assert many.status_code >= 500  # no batch, so nothing in it can be acknowledged
    with world.api() as api:
        wait_until(lambda: done(api.get("/deadletters", params={"target": "k8s"}))["total"] >= 1)
    synced(world, world.create("bad-neighbour"))


@brokers.on_every_broker
def test_events_that_are_too_large_to_be_kept_whole_hold_up_nobody(platform: Platform, world: World) -> None:
    with publishing(platform) as stray:
        for number in range(12):
            params = {"metadata.rawPayload": "true", "metadata.partitionKey": str(number)}
            content = f"{number:02}" + '"' * 900_000
            done(stray.post(f"/v1.0/publish/pubsub/{CHANGES}", content=content, params=params))
    rows = [world.create(f"bad-beside-{number}") for number in range(6)]

    for row in rows:
        synced(world, row)
    with world.api() as api:
        wait_until(lambda: done(api.get("/deadletters"))["total"] == 24)
        (newest,) = done(api.get("/deadletters", params={"limit": 1}))["items"]
        letter = done(api.get(f"/deadletters/{newest['id']}"))
    assert "900002 characters" in json.dumps(letter["event"])
    # Of a place in a topic only Kafka tells.
    assert letter["position"].get("__topic") == (CHANGES if platform.broker == "kafka" else None)


@pytest.mark.parametrize("route", ["/events/sync-status", "/events/dead-letters"])
def test_what_the_broker_brings_nobody_else_can_bring_through_a_sidecar(world: World, route: str) -> None:
    """The dashboard's may invoke crud, and whatever it sends says so."""
    row = world.create("bad-forged")
    synced(world, row)
    forged = {"row_id": row["id"], "generation": 1, "outcome": "dead-lettered", "error": "forged"}
    data = {"target": "k8s", "statuses": [{**forged, "delivered_at": "2026-11-28T00:00:00Z"}]}

    with world.api() as api:
        answer = api.post(route, json={"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": data})

    assert answer.status_code == 403, answer.text


@contextmanager
def policy(world: World, expression: str) -> Iterator[None]:
    apply = ["kubectl", "apply", "-f", "-"]
    environment = {"PATH": "/usr/bin:/bin", **world.env}
    subprocess.run(apply, input=POLICY.format(expression=expression), env=environment, check=True, text=True)
    try:
        yield
    finally:
        kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
        world.kubectl("delete", kinds, "bad-input")


def enforced(world: World, manifest: str, *, refused: bool) -> bool:
    """Whether a dry run is refused: the API server takes up a policy some time after it is there."""
    run = ["kubectl", "--namespace", world.env["ROWCAST_NAMESPACE"], *manifest.split(), "--dry-run=server"]
    ran = subprocess.run(run, env={"PATH": "/usr/bin:/bin", **world.env}, capture_output=True, check=False)
    return (ran.returncode != 0) == refused


@brokers.on_every_broker
def test_a_row_that_a_policy_of_the_cluster_denies_is_failed_alone_and_delivered_when_the_policy_is_gone(
    world: World,
) -> None:
    probe = world.create("bad-probe")
    synced(world, probe)
    attempt = 'patch appconfig bad-probe --type=merge --patch {"spec":{"branch":"denied"}}'
    with policy(world, "request.operation == 'DELETE' || object.spec.branch != 'denied'"):
        wait_until(lambda: enforced(world, attempt, refused=True))
        denied, other = world.create("bad-denied", branch="denied"), world.create("bad-fine")
        told(world, denied, "k8s", "failed", "not in this cluster")
        wait_until(lambda: status(world, other, "k8s")["state"] == "synced")
        wait_until(lambda: status(world, denied, "git")["state"] == "synced")
    wait_until(lambda: enforced(world, attempt, refused=False))

    reconcile(world, "k8s")

    synced(world, denied)


def test_a_deletion_that_a_policy_denies_shows_and_is_done_when_the_policy_is_gone(world: World) -> None:
    row = world.create("bad-kept")
    synced(world, row)
    with policy(world, "request.operation != 'DELETE'"):
        wait_until(lambda: enforced(world, "delete appconfig bad-kept", refused=True))
        with world.api() as api:
            done(api.delete(f"/appconfigs/{row['id']}"))
        told(world, row, "k8s", "failed", "not in this cluster")
        assert "bad-kept" in world.cluster()
    wait_until(lambda: enforced(world, "delete appconfig bad-kept", refused=False))

    reconcile(world, "k8s")

    synced(world, row)


def test_a_protected_branch_is_told_at_the_row_and_pushed_to_when_it_is_open_again(
    platform: Platform, world: World
) -> None:
    hook = platform.blueprint.git_repository.folder / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'the branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    try:
        row = world.create("bad-protected")
        wait_until(lambda: status(world, row, "k8s")["state"] == "synced")
        told(world, row, "git", "pending", "protected")
    finally:
        hook.unlink()

    synced(world, row)


def test_rights_that_are_taken_away_are_told_at_the_row_and_used_when_they_are_back(
    platform: Platform, world: World
) -> None:
    world.kubectl("delete", "rolebinding", ROLE)
    try:
        with world.api() as api:
            row = done(api.post("/appconfigs", json=config("bad-rights")))
        told(world, row, "k8s", "pending", "cannot patch resource")
        wait_until(lambda: status(world, row, "git")["state"] == "synced")
    finally:
        apply_cluster_objects(platform.blueprint.kube_apiserver)

    synced(world, row)
