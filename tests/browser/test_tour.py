"""Every page of the tour, with something on it: what docs/tour.md shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

import pictures
from dashboard import Dashboard
from world import World, done

Windows = Callable[..., Dashboard]
NAMES = {
    "storefront": "prod",
    "product-api": "prod",
    "search-index": "prod",
    "price-engine": "prod",
    "cart-service": "prod",
    "order-history": "prod",
    "payment-gateway": "prod",
    "fraud-check": "prod",
    "notification": "prod",
    "image-resizer": "prod",
    "storefront-next": "staging",
    "checkout-next": "staging",
    "reporting": "staging",
    "feature-flags": "staging",
    "load-test": "dev",
    "sandbox": "dev",
}
PEOPLE = ("ada", "grace", "linus", "margaret")


@pytest.fixture
def shop(world: World) -> dict[str, int]:
    """The rows of a small company, some changed since; by name their ids."""
    made = {}
    for number, (name, environment) in enumerate(NAMES.items()):
        row = world.create(
            name,
            PEOPLE[number % len(PEOPLE)],
            environment=environment,
            repository_url=f"https://git.example.com/shop/{name}.git",
        )
        made[name] = int(row["id"])
    changes = (
        ("grace", "storefront", {"branch": "release-2"}),
        ("ada", "fraud-check", {"branch": "release-7", "environment": "staging"}),
        ("linus", "storefront", {"branch": "release-3"}),
        ("ada", "sandbox", {"name": "playground"}),
    )
    for person, name, fields in changes:
        with world.api(person) as api:
            done(api.patch(f"/appconfigs/{made[name]}", json=fields))
    with world.api("margaret") as api:
        done(api.delete(f"/appconfigs/{made['load-test']}"))
    world.settled()
    return made


def test_every_page_of_the_tour_is_there(windows: Windows, shop: dict[str, int]) -> None:
    ada = windows("ada")
    expect(ada.row("storefront")).to_contain_text("synced")
    pictures.take(ada.page, "dashboard", "The Rowcast dashboard")
    pictures.take(ada.page, "dashboard-dark", "The Rowcast dashboard, dark", dark=True)

    ada.go("Activity")
    ada.sees("margaret")
    expect(ada.page.get_by_text("Git synced").first).to_be_visible()
    pictures.take(ada.page, "activity", "Activity: who changed what, and what became of it")
    ada.choose("Only this person", "linus")
    ada.sees_not("margaret")
    ada.page.get_by_role("link", name="storefront").first.click()
    ada.titled("storefront")

    ada.green(3)
    pictures.take(ada.page, "configuration", "One configuration: its fields, and its way to each target")
    ada.tab("History")
    ada.sees("release-2")
    pictures.take(ada.page, "history", "The history of a configuration, with what each change changed")
    ada.tab("Live")
    ada.sees("environments/prod/appconfigs/storefront.yaml")
    pictures.take(ada.page, "live", "What is live at each target", height=1100)

    ada.go("Pipeline")
    ada.sees("Everything on the way is well.")
    pictures.take(ada.page, "pipeline", "The pipeline: each station on the way of a change")
    pictures.take(ada.page, "pipeline-dark", "The pipeline, dark", dark=True)
    ada.go("Settings")
    ada.sees("Editor")
    pictures.take(ada.page, "settings", "Settings: who I am, what I may do, what the services are set to")
