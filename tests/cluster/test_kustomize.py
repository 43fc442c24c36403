"""The overlay that people try first, applied to a cluster as its page says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.pages import CHECKOUT
from cluster.release import Release
from rowcast_cluster.cluster import Cluster
from world import done

NAMESPACE = "rowcast"
"""The overlay's own."""


@pytest.fixture
def overlay(cluster: Cluster, images: None) -> Iterator[Release]:
    cluster.kubectl("apply", "--kustomize", str(CHECKOUT / "kustomize" / "overlays" / "dev"))
    with Release.of(cluster, NAMESPACE, git_secret="rowcast-git") as applied:
        applied.wait_ready()
        yield applied
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.timeout(1200)
def test_a_change_goes_all_the_way_where_the_overlay_was_applied_to_an_empty_cluster(overlay: Release) -> None:
    row = overlay.create("by-kustomize")
    overlay.settled()
    assert overlay.cluster()["by-kustomize"] == overlay.repository()["by-kustomize"]

    with overlay.api() as api:
        done(api.delete(f"/appconfigs/{row['id']}"))
    overlay.settled()
    assert overlay.cluster() == overlay.repository() == {}
