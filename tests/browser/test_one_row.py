"""What a person does with one configuration, on the real platform."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

import pictures
from dashboard import Dashboard
from world import World, config, done

Windows = Callable[..., Dashboard]


def fill(window: Dashboard, name: str, **more: str) -> None:
    """Fill the form of a new configuration."""
    row = {**config(name), **more}
    window.write("Name", row["name"])
    window.write("Repository URL", row["repository_url"])
    window.write("Branch", row["branch"])
    window.write("Environment", row["environment"])


def row_of(world: World, name: str) -> dict[str, object]:
    """The row of that name."""
    with world.api() as api:
        (row,) = done(api.get("/appconfigs", params={"search": name}))["items"]
    return dict(row)


def test_a_new_row_turns_green(ada: Dashboard, world: World) -> None:
    ada.click("New configuration")
    fill(ada, "checkout")
    ada.click("Create")
    ada.titled("checkout")
    ada.green(1)
    ada.click("Configurations")
    expect(ada.row("checkout")).to_contain_text("synced")
    assert row_of(world, "checkout")["updated_by"] == "ada"
    assert "checkout" in world.cluster()


def test_what_breaks_a_rule_is_said_at_its_field_and_then_saved_right(ada: Dashboard, world: World) -> None:
    row = world.create("invoices")
    ada.open(id=row["id"])
    ada.be("ada")
    ada.field("Branch").press_sequentially("..")
    ada.sees("Git refuses this as a branch name.")
    ada.click("Save")
    assert row_of(world, "invoices")["generation"] == 1
    ada.write("Branch", "next")
    ada.click("Save")
    ada.sees("generation 2")
    ada.green(2)
    assert row_of(world, "invoices")["branch"] == "next"


def test_a_preview_shows_what_saving_would_change_before_it_is_saved(ada: Dashboard, world: World) -> None:
    row = world.create("catalog")
    world.settled()
    ada.open(id=row["id"])
    ada.be("ada")
    ada.write("Branch", "release-2")
    ada.click("Preview")
    ada.sees("Nothing is saved yet.")
    diff = ada.page.get_by_test_id("stCode").filter(visible=True).first
    expect(diff).to_contain_text("-  branch: main")
    expect(diff).to_contain_text("+  branch: release-2")
    pictures.take(ada.page, "preview", "Preview: the difference to what is live, before it is saved", height=1500)
    assert row_of(world, "catalog")["generation"] == 1
    ada.click("Save")
    ada.sees("generation 2")
    ada.green(2)


def test_two_who_edit_the_same_row_see_each_other_and_choose(windows: Windows, world: World) -> None:
    row = world.create("payments")
    ada, grace = windows("ada"), windows("grace")
    for window, person in ((ada, "ada"), (grace, "grace")):
        window.open(id=row["id"])
        window.be(person)
        window.titled("payments")
    ada.write("Branch", "hers")
    ada.click("Save")
    ada.sees("generation 2")
    grace.write("Branch", "theirs")
    grace.click("Save")
    grace.sees("ada saved generation 2")
    pictures.take(grace.page, "conflict", "A conflict: both versions, and the choice")
    grace.click("Save mine over it")
    grace.sees("generation 3")
    grace.green(3)
    found = row_of(world, "payments")
    assert (found["branch"], found["updated_by"]) == ("theirs", "grace")
    ada.sees("saved generation 3 meanwhile")


def test_a_renamed_row_is_found_by_its_new_name_only(ada: Dashboard, world: World) -> None:
    row = world.create("cart", repository_url="https://git.example.com/shop/renamed.git")
    world.settled()
    ada.open(id=row["id"])
    ada.write("Name", "basket")
    ada.click("Save")
    ada.titled("basket")
    ada.green(2)
    ada.click("Configurations")
    ada.field("Search").fill("cart")
    ada.sees("No configuration matches.")
    ada.field("Search").fill("basket")
    expect(ada.row("basket")).to_contain_text("synced")
    world.settled()
    assert {"cart", "basket"} & world.cluster().keys() == {"basket"}


def test_a_row_is_deleted_by_typing_its_name(ada: Dashboard, world: World) -> None:
    row = world.create("unwanted")
    world.settled()
    ada.open(id=row["id"])
    ada.click("Delete")
    ada.field("Type the name to confirm").fill("unwante")
    expect(ada.button("Delete it")).to_be_disabled()
    ada.field("Type the name to confirm").fill("unwanted")
    ada.click("Delete it")
    ada.titled("Configurations")
    expect(ada.row("unwanted")).to_have_count(0)
    world.settled()
    assert "unwanted" not in world.cluster()


def test_a_row_is_created_by_the_keyboard_alone(ada: Dashboard, world: World) -> None:
    keyboard = ada.page.keyboard
    ada.page.locator("h1").click()
    keyboard.press("n")
    expect(ada.field("Name")).to_be_visible()
    ada.field("Name").focus()
    for value in config("loyalty").values():
        keyboard.press("ControlOrMeta+a")
        keyboard.type(value)
        keyboard.press("Tab")
    keyboard.press("Tab")  # past the application, which is the name where it is left empty
    expect(ada.button("Create")).to_be_focused()
    keyboard.press("Enter")
    ada.titled("loyalty")
    ada.green(1)
