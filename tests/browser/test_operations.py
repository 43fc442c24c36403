"""What a person sees of the way of a change, and does about it, on the real platform."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

import pictures
from dashboard import Dashboard
from rowcast_local.platform import Platform
from world import World, config, done, wait_until

AS_SOMEBODY = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]


@pytest.fixture(autouse=True)
def well(world: World) -> Iterator[None]:
    """Begins with a way on which all is well, and leaves no letter open."""
    for target in ("k8s", "git"):
        # Whatever others did to the platform before, the last reconcile of each target is to be one that went well.
        wait_until(functools.partial(reconciled, world, target))
    discard_all(world)
    wait_until(lambda: troubles(world) == [], lambda: str(troubles(world)))
    yield
    discard_all(world)


def reconciled(world: World, target: str) -> bool:
    """Whether a reconcile could be begun."""
    with world.api() as api:
        return api.post(f"/reconciles/{target}", json={"dry_run": False}).is_success


def troubles(world: World) -> list[str]:
    """What the pipeline says is wrong."""
    with world.api() as api:
        return [f"{one['name']}: {one['message']}" for one in done(api.get("/pipeline"))["stations"] if one["message"]]


def discard_all(world: World) -> None:
    """Leave no letter open."""
    with world.api() as api:
        found = [one["id"] for one in done(api.get("/deadletters", params={"limit": 1000}))["items"]]
        if found:
            done(api.post("/deadletters:discard", json={"ids": found, "reason": "a test has ended"}))


@contextmanager
def foreign(world: World, *names: str) -> Iterator[None]:
    """Somebody else's custom resources of these names, for as long as the context lasts."""
    for name in names:
        spec = {"id": 1, **config(name)}
        metadata = {"name": name, "namespace": world.env["ROWCAST_NAMESPACE"]}
        manifest = {"apiVersion": "rowcast.dev/v1alpha1", "kind": "AppConfig", "metadata": metadata, "spec": spec}
        subprocess.run(
            ["kubectl", "create", "-f", "-"],
            input=json.dumps(manifest),
            env={**os.environ, **world.env},
            check=True,
            capture_output=True,
            text=True,
        )
    try:
        yield
    finally:
        world.kubectl("delete", "appconfig", *names, "--ignore-not-found")


def test_a_delivery_that_fails_becomes_visible_and_is_replayed(ada: Dashboard, world: World) -> None:
    names = ("gift-cards", "wish-lists")
    with foreign(world, *names):
        for name in names:
            world.create(name)
        expect(ada.page.get_by_test_id("stSidebar").get_by_role("link", name="Dead letters 2")).to_be_visible()
        ada.go("Dead letters")
        letter = ada.page.get_by_text(re.compile("^gift-cards at Kubernetes: not-owned"))
        letter.click()
        ada.sees("is not managed by rowcast")
        pictures.take(ada.page, "dead-letters", "Dead letters: what could not be delivered, and why")
    ada.page.get_by_role("checkbox", name="Choose all in sight").check(force=True)
    ada.click("Replay the 2 chosen")
    ada.click("Replay them")
    ada.sees("No dead letter is open")
    world.settled()
    expect(ada.page.get_by_test_id("stSidebar").get_by_role("link", name="Dead letters 2")).to_have_count(0)


def test_a_sync_that_is_down_is_seen_with_what_waits_and_seen_to_come_back(
    ada: Dashboard, platform: Platform, world: World
) -> None:
    world.create("orders")
    ada.go("Pipeline")
    ada.sees("Everything on the way is well.")
    platform.stop_part("sync-git")
    try:
        expect(ada.station("sync-git")).to_contain_text("down")
        ada.sees("The way is interrupted.")
        ada.sees("sync-git or its sidecar doesn't answer")
        world.create("returns")
        expect(ada.figure("target-git", "waiting")).to_have_text("1")
        pictures.take(ada.page, "pipeline-down", "The pipeline while a sync is down: what is wrong and what to do")
    finally:
        platform.start_part("sync-git")
        platform.wait_ready(names=["sync-git"])
    ada.sees("Everything on the way is well.")
    expect(ada.station("sync-git")).to_contain_text("well")
    expect(ada.figure("target-git", "waiting")).to_have_text("0")
    world.settled()


def test_a_reconcile_is_planned_seen_and_run(ada: Dashboard, world: World) -> None:
    for name in ("search", "recommendations", "reviews"):
        world.create(name)
    world.settled()
    by_hand(world)

    ada.go("Reconcile")
    ada.page.get_by_role("radio", name="Git").or_(ada.page.get_by_role("button", name="Git", exact=True)).first.click()
    expect(ada.page.get_by_text(re.compile(r"\b(at|for) Git\b")).first).to_be_visible()
    ada.click("Dry run")
    ada.sees("Plan for Git")
    expect(ada.row("recommendations")).to_contain_text("correct")
    expect(ada.row("reviews")).to_contain_text("create")
    expect(ada.row("old-shop")).to_contain_text("prune")
    pictures.take(ada.page, "reconcile", "Reconcile: the plan, before anything is done")
    assert "old-shop" in world.repository()

    ada.click("Run it")
    ada.sees("create 1, correct 1, prune 1")
    ada.click("Reconcile now")
    ada.sees("Put right:")
    world.settled()
    ada.click("Dry run")
    ada.sees("The target holds what the table says.")


def by_hand(world: World) -> None:
    """Edit one file in the repository, remove another, and copy a third for a row that never was."""
    with world.clone() as folder:
        place = folder / "environments" / "dev" / "appconfigs"
        edited = place / "recommendations.yaml"
        edited.write_text(edited.read_text().replace("branch: main", "branch: hotfix"))
        kept = (place / "search.yaml").read_text()
        found = re.search(r'rowcast.dev/row-id: "?(\d+)', kept)
        assert found is not None
        (place / "old-shop.yaml").write_text(kept.replace("search", "old-shop").replace(found[1], "999999"))
        (place / "reviews.yaml").unlink()
        for command in (["add", "--all"], [*AS_SOMEBODY, "commit", "--quiet", "-m", "By hand"], ["push", "--quiet"]):
            subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, timeout=60)
