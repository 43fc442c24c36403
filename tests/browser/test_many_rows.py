"""What a person does with many configurations at once, on the real platform."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

import pictures
from dashboard import ARRIVED, Dashboard
from world import World, done

MAILERS = ("mailer-eu", "mailer-us", "mailer-asia")
TICK = 16
"""Where the ticks are, in pixels from the table's left."""


def test_the_branch_of_several_rows_is_changed_at_once(ada: Dashboard, world: World) -> None:
    for name in ("mailer-test", *MAILERS):
        world.create(name)
    ada.field("Search").fill("mailer-")
    ada.sees("1-4 of 4")
    for name in MAILERS:
        ada.choose_row(name, TICK)
    ada.sees("3 chosen")
    pictures.take(ada.page, "bulk", "Several rows chosen, to change or delete them at once")
    ada.click("Branch")
    ada.field("New branch").fill("release-2")
    ada.click("Change 3")
    for name in MAILERS:
        expect(ada.row(name)).to_contain_text("release-2")
        expect(ada.row(name).get_by_text(ARRIVED)).to_have_count(2)
    expect(ada.row("mailer-test")).to_contain_text("main")
    world.settled()
    assert {name for name, row in world.repository().items() if row[3] == "release-2"} == set(MAILERS)


@pytest.mark.timeout(600)
def test_a_thousand_rows_are_imported_after_a_look_at_what_that_will_do(
    ada: Dashboard, world: World, tmp_path: Path
) -> None:
    world.create("tenant-7", branch="old")
    file = tmp_path / "rows.csv"
    lines = [f"tenant-{n},https://git.example.com/shop/{n}.git,main,env-{n % 5}" for n in range(1000)]
    file.write_text("\n".join(["name,repository_url,branch,environment", *lines, "Not A Name,x,main,dev"]))
    ada.click("Import")
    ada.page.locator("input[type=file]").set_input_files(file)
    for label, count in (("Create", "999"), ("Change", "1"), ("Refuse", "1")):
        expect(metric(ada, label)).to_have_text(count)
    pictures.take(ada.page, "import", "Import: what will be created, changed and refused, line by line")
    ada.page.get_by_text("Leave out the 1 that would be refused").click()
    ada.click("Import 1,000")
    ada.sees("999 created, 1 changed")
    ada.click("Show all configurations")
    ada.field("Search").fill("tenant-")
    ada.choose("Only in this state", "synced")
    world.settled()
    ada.sees("1-20 of 1,000")
    with world.api() as api:
        assert done(api.get("/appconfigs", params={"search": "tenant-7", "limit": 1}))["items"]


def metric(window: Dashboard, label: str) -> Locator:
    """The figure under a label."""
    exact = window.page.get_by_test_id("stMetricLabel").get_by_text(label, exact=True)
    box = window.page.get_by_test_id("stMetric").filter(has=exact)
    return box.get_by_test_id("stMetricValue")
