from __future__ import annotations

from rowcast.core.render import AppConfigRenderer
from rowcast.core.row import app_config
from rowcast.sync.targets.kubernetes.objects import Live, View, live_of

APPCONFIG = AppConfigRenderer.resource


def live(name: str, *, row_id: int = 1, version: int = 1, ours: bool = True) -> Live:
    labels = {
        "app.kubernetes.io/managed-by": "rowcast",
        "rowcast.dev/table": "app_configs",
        "rowcast.dev/row-id": str(row_id),
    }
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return live_of(APPCONFIG, {"metadata": {**metadata, "labels": labels if ours else {}}})


def test_an_object_is_found_by_its_place_and_by_its_row() -> None:
    view = View()
    view.observe(live("a", row_id=7))

    assert view.at("appconfigs/a") == live("a", row_id=7)
    assert [found.name for found in view.own(app_config(7))] == ["a"]


def test_an_older_sight_of_an_object_does_not_overwrite_a_newer_one() -> None:
    view = View()
    view.observe(live("a", row_id=2, version=9))
    view.observe(live("a", row_id=1, version=8))

    assert [found.name for found in view.own(app_config(2))] == ["a"]
    assert view.own(app_config(1)) == ()


def test_an_object_that_another_row_took_over_is_no_longer_the_first_ones() -> None:
    view = View()
    view.observe(live("a", row_id=1, version=1))
    view.observe(live("a", row_id=2, version=2))

    assert view.own(app_config(1)) == ()


def test_a_late_notice_of_deletion_does_not_forget_what_was_created_since() -> None:
    view = View()
    view.observe(live("a", version=9))
    view.forget("appconfigs/a", version=8)
    assert view.at("appconfigs/a") is not None

    view.forget("appconfigs/a", version=10)
    assert view.at("appconfigs/a") is None


def test_a_new_list_replaces_everything() -> None:
    view = View()
    view.observe(live("gone", row_id=1, version=50))
    view.replace(APPCONFIG, [live("a", row_id=2, version=3)])

    assert len(view) == 1
    assert view.own(app_config(1)) == ()


def test_an_object_without_our_labels_is_seen_and_is_nobodys() -> None:
    view = View()
    view.observe(live("a", ours=False))

    found = view.at("appconfigs/a")
    assert found is not None
    assert found.held is None


def test_annotations_that_a_hand_has_broken_count_as_never_delivered() -> None:
    body = {
        "metadata": {
            "name": "a",
            "uid": "u",
            "resourceVersion": "1",
            "labels": {
                "app.kubernetes.io/managed-by": "rowcast",
                "rowcast.dev/table": "app_configs",
                "rowcast.dev/row-id": "1",
            },
            "annotations": {"rowcast.dev/generation": "seven"},
        }
    }

    held = live_of(APPCONFIG, body).held

    assert held is not None
    assert (held.generation, held.lsn) == (0, 0)
