from __future__ import annotations

import pytest

from rowcast.core.events import decode
from rowcast.core.render import render
from unit.core.changes import event


def test_a_row_renders_to_one_custom_resource_of_its_name() -> None:
    desired = render(decode(event(row_id=42, generation=7, name="cart", branch="release", lsn=99)))

    (manifest,) = desired.manifests
    assert manifest.name == "cart"
    assert manifest.body == {
        "apiVersion": "rowcast.dev/v1alpha1",
        "kind": "AppConfig",
        "metadata": {
            "name": "cart",
            "labels": {
                "app.kubernetes.io/managed-by": "rowcast",
                "rowcast.dev/table": "app_configs",
                "rowcast.dev/row-id": "42",
            },
            "annotations": {
                "rowcast.dev/generation": "7",
                "rowcast.dev/lsn": "99",
                "rowcast.dev/updated-by": "alice",
            },
        },
        "spec": {
            "id": 42,
            "name": "cart",
            "repository_url": "https://git.example.com/shop/checkout.git",
            "branch": "release",
            "environment": "dev",
        },
    }


def test_a_deleted_row_renders_to_nothing() -> None:
    desired = render(decode(event("d", row_id=42, generation=7)))

    assert desired.deleted
    assert desired.manifests == ()
    assert (int(desired.row.key), desired.generation, desired.actor) == (42, 7, "alice")


def test_rendering_the_same_change_twice_gives_the_same() -> None:
    assert render(decode(event())) == render(decode(event()))


@pytest.mark.parametrize(
    ("sent", "verified"), [(True, True), (False, False), (None, False), ("true", False), (1, False)]
)
def test_a_person_is_vouched_for_only_by_the_tables_own_word_and_that_is_in_no_manifest(
    sent: object, verified: bool
) -> None:
    row = event(row_id=42)
    without = render(decode(event(row_id=42)))
    row["data"]["after"]["updated_by_verified"] = sent

    desired = render(decode(row))

    assert desired.actor_verified is verified
    assert desired.manifests == without.manifests
    assert not without.actor_verified
