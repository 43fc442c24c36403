"""A release with each of the brokers that aren't Kafka: one value chooses, and a change goes through every target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from charting.rendering import CHART
from cluster.release import RESTRICTED
from rowcast_cluster.cluster import Cluster
from rowcast_images.references import version

pytestmark = pytest.mark.timeout(1800)  # the first test builds what nobody has built before

# Our own images in the place of the public ones, which no registry gives here.
IMAGES = {"redis": "redis", "rabbitmq": "rabbitmq", "jetstream": "nats"}
# Another release has most of what a node of two cores gives away.
MODEST = [
    f"{part}.requests.cpu=5m"
    for part in (
        *(f"{name}.resources" for name in ("crud", "postgres", "git-server", "ui", "sync.k8s", "sync.git")),
        *(f"{name}.resources" for name in ("capture", "connect", "connector", "kafka", *IMAGES)),
        "global.dapr.sidecar.resources",
        "check.resources",
    )
]


@contextmanager
def installed(cluster: Cluster, namespace: str, kind: str, *next_kinds: str) -> Iterator[None]:
    """A release with that broker in a namespace that admits restricted pods alone; `next_kinds` it may change to."""
    own = [
        setting
        for image, name in ((f"{each}.image", IMAGES[each]) for each in (kind, *next_kinds) if each in IMAGES)
        for setting in (f"{image}.registry=", f"{image}.repository=rowcast/{name}", f"{image}.tag=")
    ]
    settings = [
        word
        for setting in (f"global.broker.kind={kind}", f"global.image.tag={version()}", *own, *MODEST)
        for word in ("--set", setting)
    ]
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("label", "namespace", namespace, *RESTRICTED)
    cluster.run_helm(
        "install", "rowcast", str(CHART), "--namespace", namespace, *settings, "--wait", "--timeout", "10m"
    )
    yield
    cluster.run_helm("uninstall", "rowcast", "--namespace", namespace, "--wait")
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(params=["rabbitmq", "jetstream"])
def kind(request: pytest.FixtureRequest, cluster: Cluster, images: None) -> Iterator[str]:
    """A kind of broker, with a release of it in a namespace of its name; Redis is in test_release_changes_broker."""
    kind: str = request.param
    with installed(cluster, kind, kind):
        yield kind


def test_a_change_goes_through_every_target_without_kafka(cluster: Cluster, kind: str) -> None:
    said = cluster.run_helm("test", "rowcast", "--namespace", kind, "--logs", "--timeout", "5m")

    assert "all arrived: " in said
    pods = cluster.get("pods", "--namespace", kind)["items"]
    parts = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods}
    assert {kind, "capture"} <= parts
    assert not {"kafka", "connect", "connector"} & parts
