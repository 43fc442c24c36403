"""A release with each of the brokers that aren't Kafka: one value chooses, and a change goes through every target."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charting.rendering import CHART
from cluster.release import RESTRICTED
from rowcast_cluster.cluster import Cluster

pytestmark = pytest.mark.timeout(1800)  # the first test builds what nobody has built before

# Our own images in the place of the public ones, which no registry gives here.
IMAGES = {"redis": "redis", "rabbitmq": "rabbitmq", "jetstream": "nats"}
# Another release has most of what a node of two cores gives away.
MODEST = [
    f"{part}.requests.cpu=5m"
    for part in (
        *(f"{name}.resources" for name in ("capture", "crud", "postgres", "git-server", "ui", "sync.k8s", "sync.git")),
        "global.dapr.sidecar.resources",
        "check.resources",
    )
]


@pytest.fixture(params=IMAGES)
def kind(request: pytest.FixtureRequest, cluster: Cluster, images: None) -> Iterator[str]:
    """A kind of broker, with a release of it in a namespace of its name that admits restricted pods alone."""
    kind: str = request.param
    image = f"{kind}.image"
    modest = (*MODEST, f"{kind}.resources.requests.cpu=5m")
    own = (f"{image}.registry=", f"{image}.repository=rowcast/{IMAGES[kind]}", f"{image}.tag=")
    settings = [word for setting in (f"global.broker.kind={kind}", *own, *modest) for word in ("--set", setting)]
    cluster.kubectl("create", "namespace", kind)
    cluster.kubectl("label", "namespace", kind, *RESTRICTED)
    cluster.run_helm("install", "rowcast", str(CHART), "--namespace", kind, *settings, "--wait", "--timeout", "10m")
    yield kind
    cluster.run_helm("uninstall", "rowcast", "--namespace", kind, "--wait")
    cluster.kubectl("delete", "namespace", kind, "--wait=false")


def test_a_change_goes_through_every_target_without_kafka(cluster: Cluster, kind: str) -> None:
    said = cluster.run_helm("test", "rowcast", "--namespace", kind, "--logs", "--timeout", "5m")

    assert "all arrived: " in said
    pods = cluster.get("pods", "--namespace", kind)["items"]
    parts = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods}
    assert {kind, "capture"} <= parts
    assert not {"kafka", "connect", "connector"} & parts
