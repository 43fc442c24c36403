"""A preview says what a delivery would make, by the target's own word, and changes nothing."""

from __future__ import annotations

import pytest
import yaml

from contract.targets.places import Place
from contract.targets.rows import deleted, saved
from contract.targets.test_target_contract import deliver
from rowcast.core.ports import Target
from rowcast.core.row import app_config

pytestmark = pytest.mark.anyio

ROW = app_config(1)


async def test_of_a_new_row_it_shows_the_manifest_and_nothing_live(target: Target, place: Place) -> None:
    before = place.version()

    preview = await target.preview(saved(1, 1, "a", branch="next"))

    manifest = yaml.safe_load(preview.manifest)
    assert (preview.change, preview.live, preview.error) == ("create", None, None)
    assert (manifest["metadata"]["name"], manifest["spec"]["branch"]) == ("a", "next")
    assert preview.place.endswith(("appconfigs/a", "dev/appconfigs/a.yaml"))
    assert "+  branch: next" in preview.diff
    assert place.version() == before
    assert place.observe() == {}


async def test_of_a_change_it_differs_from_what_is_there_in_the_change_alone(target: Target, place: Place) -> None:
    await deliver(target, saved(1, 1, "a", branch="main"))
    before = place.version()

    preview = await target.preview(saved(1, 2, "a", branch="next"))

    changed = [line for line in preview.diff.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert preview.change == "update"
    assert {"-  branch: main", "+  branch: next"} < set(changed)
    assert len(changed) == 4, "the branch and the generation"
    assert place.version() == before


async def test_of_what_is_there_already_it_says_none(target: Target) -> None:
    await deliver(target, saved(1, 1, "a"))

    preview = await target.preview(saved(1, 1, "a"))

    assert (preview.change, preview.diff) == ("none", "")


async def test_of_a_renamed_row_the_live_one_is_at_its_present_place(target: Target) -> None:
    await deliver(target, saved(1, 1, "a"))

    preview = await target.preview(saved(1, 2, "b"))

    assert preview.live is not None
    assert "appconfigs/a" in preview.live.place
    assert "appconfigs/b" in preview.place
    assert preview.change == "update"


async def test_what_is_not_ours_is_refused_in_words_and_left_alone(target: Target, place: Place) -> None:
    place.plant("a")

    preview = await target.preview(saved(1, 1, "a"))

    assert preview.error is not None
    assert preview.error.reason == "not-owned"
    assert place.planted("a")


async def test_a_later_delivery_is_not_disturbed_by_it(target: Target, place: Place) -> None:
    await target.preview(saved(1, 9, "a"))

    await deliver(target, saved(1, 2, "a"))

    assert place.observe()["a"].generation == 2


async def test_what_is_live_is_read_with_what_names_its_version_until_it_is_gone(target: Target) -> None:
    assert await target.live(ROW) is None

    await deliver(target, saved(1, 1, "a", branch="main"))
    shown = await target.live(ROW)
    await deliver(target, deleted(1, 1, "a"))

    assert shown is not None
    assert yaml.safe_load(shown.text)["spec"]["branch"] == "main"
    assert shown.reference
    assert await target.live(ROW) is None
